-- A few rows to read, then volume that follows from its ids alone: two runs give the same rows.

INSERT INTO users (id, email, full_name, tier, country, created_at) VALUES
  (1, 'Mira.Okafor@Example.com', 'Mira Okafor', 'pro', 'NG', '2023-01-10 09:15:00+00'),
  (2, ' jonas.lind@example.com', 'Jonas Lind', 'free', 'SE', '2023-03-02 18:40:30+00'),
  (3, 'tere.vidal@example.com', 'Tere Vidal', 'plus', 'ES', '2023-06-21 07:05:10.25+00'),
  (4, 'sam@example.com', NULL, 'free', NULL, '2024-02-29 23:59:59+00');

INSERT INTO profiles (user_id, bio, avatar_url, birth_date) VALUES
  (1, 'Collects maps of places that do not exist.', 'https://img.example.com/mira.png', '1988-04-17'),
  (2, 'Repairs bicycles at night.', NULL, '1979-11-30'),
  (3, NULL, 'https://img.example.com/tere.png', NULL);

INSERT INTO addresses (id, user_id, kind, line1, city, postal_code, country) VALUES
  (1, 1, 'billing', '14 Harbour Road', 'Lagos', '101241', 'NG'),
  (2, 1, 'shipping', '3 Lantern Lane', 'Lagos', '101233', 'NG'),
  (3, 2, 'billing', 'Verkstadsgatan 8', 'Malmö', '211 42', 'SE'),
  (4, 3, 'shipping', 'Carrer del Mar 22', 'València', NULL, 'ES');

INSERT INTO categories (id, name, slug) VALUES
  (1, 'Maps', 'maps'), (2, 'Bicycles', 'bicycles'), (3, 'Lamps', 'lamps');

INSERT INTO products (id, sku, name, description, title, price, currency, in_stock, category_id, created_at) VALUES
  (1, 'MAP-001', 'Atlas of Lost Islands', 'Forty charts, cloth bound.',
   '{"en": "Atlas of Lost Islands", "de": "Atlas der verlorenen Inseln"}', 48.00, 'USD', true, 1, '2023-01-01 00:00:00+00'),
  (2, 'MAP-002', 'Folding City Plan', NULL,
   '{"en": "Folding City Plan"}', 7.50, 'USD', true, 1, '2023-01-02 00:00:00+00'),
  (3, 'BIK-010', 'Steel Touring Frame', 'Lugged, 56 cm.',
   '{"en": "Steel Touring Frame", "sv": "Turistram av stål"}', 615.00, 'EUR', true, 2, '2023-02-01 12:30:00+00'),
  (4, 'BIK-011', 'Dynamo Hub', 'Six volts, three watts.',
   '{"en": "Dynamo Hub"}', 129.90, 'EUR', false, 2, '2023-02-03 12:30:00+00'),
  (5, 'LMP-100', 'Reading Lamp', NULL, '{}', 34.25, 'USD', true, NULL, '2023-04-05 06:07:08.9+00');

INSERT INTO tags (id, label) VALUES (1, 'sale'), (2, 'new'), (3, 'handmade');

INSERT INTO product_tags (product_id, tag_id) VALUES (1, 2), (1, 3), (2, 1), (3, 3), (5, 2);

INSERT INTO orders (id, user_id, status, placed_at, shipped_at) VALUES
  (10, 1, 'delivered', '2024-01-05 10:00:00+00', '2024-01-07 08:30:00+00'),
  (11, 1, 'paid',      '2024-02-11 16:20:00+00', NULL),
  (12, 2, 'shipped',   '2024-02-14 11:11:11+00', '2024-02-15 09:00:00+00'),
  (13, 2, 'cancelled', '2024-02-20 20:00:00+00', NULL),
  (14, 3, 'pending',   '2024-03-01 00:00:00+00', NULL);

INSERT INTO order_items (id, order_id, product_id, quantity, unit_price) VALUES
  (100, 10, 1, 1, 48.00),
  (101, 10, 2, 3, 7.50),
  (102, 11, 5, 1, 34.25),
  (103, 12, 3, 1, 615.00),
  (104, 13, 4, 2, 129.90),
  (105, 14, 2, 1, 7.50);

INSERT INTO reviews (id, product_id, user_id, rating, body, created_at) VALUES
  (1000, 1, 1, 5, 'I found my island on page nine.', '2024-01-20 12:00:00+00'),
  (1001, 1, 2, 4, 'Beautiful, heavy.', '2024-02-01 08:00:00+00'),
  (1002, 2, 1, 3, NULL, '2024-01-21 09:30:00+00'),
  (1003, 3, 2, 5, 'Rides like a train.', '2024-03-10 19:45:00+00'),
  (1004, 5, NULL, 2, 'The switch is loose.', '2024-03-11 07:00:00+00');

-- --- volume ---------------------------------------------------------------------------------------

INSERT INTO users (id, email, full_name, tier, country, created_at, deleted)
SELECT n, 'Customer.' || n || '@Example.com', 'Customer ' || n,
       (ARRAY['free', 'plus', 'pro'])[1 + n % 3],
       (ARRAY['DE', 'NO', 'PT', NULL, 'US'])[1 + n % 5],
       timestamptz '2023-07-01 00:00:00+00' + n * interval '7 hours 13 minutes',
       n % 17 = 0
FROM generate_series(100, 159) n;

INSERT INTO categories (id, name, slug) VALUES (4, 'Tents', 'tents'), (5, 'Stoves', 'stoves'), (6, 'Ropes', 'ropes');

INSERT INTO tags (id, label) VALUES (4, 'outdoor'), (5, 'light'), (6, 'spare part'), (7, 'last chance');

INSERT INTO products (id, sku, name, description, title, price, currency, in_stock, category_id, created_at)
SELECT n, 'GEN-' || n, 'Product ' || n,
       CASE WHEN n % 4 > 0 THEN 'Number ' || n || ' of the general catalogue.' END,
       jsonb_build_object('en', 'Product ' || n, 'de', 'Produkt ' || n),
       (n * 137 % 9000 + 99)::numeric / 100,
       (ARRAY['USD', 'EUR', 'GBP'])[1 + n % 3],
       n % 5 > 0,
       CASE WHEN n % 10 > 0 THEN 1 + n % 6 END,
       timestamptz '2023-05-01 00:00:00+00' + n * interval '5 hours 21 minutes'
FROM generate_series(100, 149) n;

INSERT INTO product_tags (product_id, tag_id)
SELECT DISTINCT n, 1 + (n * k) % 7
FROM generate_series(100, 149) n, generate_series(1, 3) k
WHERE k <= n % 4;

INSERT INTO orders (id, user_id, status, placed_at, shipped_at)
SELECT n,
       CASE WHEN n % 20 = 0 THEN 1 + n / 20 % 4 ELSE 100 + n * 7 % 60 END,
       (ARRAY['pending', 'paid', 'shipped', 'delivered', 'delivered', 'cancelled'])[1 + n % 6],
       timestamptz '2024-01-01 00:00:00+00' + (n - 1000) * interval '3 hours 7 minutes',
       CASE WHEN n % 6 IN (2, 3, 4)
            THEN timestamptz '2024-01-02 12:00:00+00' + (n - 1000) * interval '3 hours 7 minutes' END
FROM generate_series(1000, 1399) n;

INSERT INTO order_items (id, order_id, product_id, quantity, unit_price)
SELECT o.id * 10 + k, o.id, p.id, 1 + (o.id + k) % 5, p.price
FROM orders o
CROSS JOIN generate_series(1, 3) k
JOIN products p ON p.id = CASE WHEN (o.id + k) % 9 = 0 THEN 1 + o.id % 5 ELSE 100 + (o.id * 3 + k * 11) % 50 END
WHERE o.id >= 1000 AND k <= 1 + o.id % 3;

INSERT INTO reviews (id, product_id, user_id, rating, body, created_at)
SELECT n, 100 + n * 7 % 50,
       CASE WHEN n % 11 > 0 THEN 100 + n * 13 % 60 END,
       1 + n * 3 % 5,
       CASE WHEN n % 4 > 0 THEN 'Review number ' || n END,
       timestamptz '2024-02-01 00:00:00+00' + (n - 2000) * interval '2 hours 29 minutes'
FROM generate_series(2000, 2149) n;

UPDATE orders SET total = items.total
FROM (SELECT order_id, sum(quantity * unit_price) AS total FROM order_items GROUP BY order_id) items
WHERE items.order_id = orders.id;

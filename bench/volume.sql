-- Volume for the dev store: `users` users from id `first` on, each with a profile, two addresses, three
-- orders and two items per order.  Deterministic.  Expects the seed (products 1 to 5) and a `first` of
-- 10,000 or more.  Used by bench/seed.py and by the end-to-end tests.
CREATE OR REPLACE PROCEDURE grow(first int, users int)
LANGUAGE plpgsql
AS $$
BEGIN
  INSERT INTO users (id, email, full_name, tier, country, created_at)
  SELECT u, 'Person.' || u || '@Example.com ', 'Person Number ' || u,
         (ARRAY['free', 'plus', 'pro'])[1 + u % 3], (ARRAY['DE', 'NO', 'PT', 'US'])[1 + u % 4],
         timestamptz '2023-01-01 00:00:00+00' + u * interval '61.5 seconds'
  FROM generate_series(first, first + users - 1) u;

  INSERT INTO profiles (user_id, bio, avatar_url, birth_date)
  SELECT u, 'Person ' || u || ' likes long walks and short queries.',
         'https://img.example.com/' || u || '.png', date '1960-01-01' + u % 15000
  FROM generate_series(first, first + users - 1) u;

  INSERT INTO addresses (id, user_id, kind, line1, city, postal_code, country)
  SELECT u * 2 + n, u, (ARRAY['billing', 'shipping'])[1 + n], (10 + u % 90) || ' Long Street',
         'City ' || u % 500, lpad((u % 100000)::text, 5, '0'), 'DE'
  FROM generate_series(first, first + users - 1) u, generate_series(0, 1) n;

  INSERT INTO orders (id, user_id, status, total, placed_at, shipped_at)
  SELECT u * 3 + n, u, (ARRAY['pending', 'paid', 'shipped', 'delivered', 'cancelled'])[1 + (u + n) % 5],
         ((u * 37 + n * 11) % 100000)::numeric / 100,
         timestamptz '2024-01-01 00:00:00+00' + (u * 3 + n) * interval '7.25 seconds',
         CASE WHEN (u + n) % 5 IN (2, 3) THEN timestamptz '2024-06-01 12:00:00+00' + n * interval '1 hour' END
  FROM generate_series(first, first + users - 1) u, generate_series(0, 2) n;

  INSERT INTO order_items (id, order_id, product_id, quantity, unit_price)
  SELECT (u * 3 + n) * 2 + i, u * 3 + n, 1 + (u + n + i) % 5, 1 + (u + i) % 4,
         ((u * 13 + i * 7) % 20000)::numeric / 100
  FROM generate_series(first, first + users - 1) u, generate_series(0, 2) n, generate_series(0, 1) i;
END
$$;

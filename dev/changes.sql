-- Ten changes to the seeded store, each a transaction, to watch in the three indexes.  They run once.

-- 1. A new user.
BEGIN;
INSERT INTO users (id, email, full_name, tier, country, created_at)
VALUES (5, 'Noor.Haddad@Example.com', 'Noor Haddad', 'plus', 'JO', '2024-04-01 08:00:00+00');
COMMIT;

-- 2. A profile for a user who had none.
BEGIN;
INSERT INTO profiles (user_id, bio, avatar_url, birth_date)
VALUES (4, 'Prefers to stay unnamed.', NULL, '2000-02-29');
COMMIT;

-- 3. An order with its item, in one transaction.
BEGIN;
INSERT INTO orders (id, user_id, status, total, placed_at)
VALUES (15, 1, 'pending', 48.00, '2024-04-02 09:00:00+00');
INSERT INTO order_items (id, order_id, product_id, quantity, unit_price)
VALUES (106, 15, 1, 1, 48.00);
COMMIT;

-- 4. More of that item.
BEGIN;
UPDATE order_items SET quantity = 3 WHERE id = 106;
UPDATE orders SET total = 144.00 WHERE id = 15;
COMMIT;

-- 5. A cancelled order: it leaves the user's list of orders and stays in the index of orders.
BEGIN;
UPDATE orders SET status = 'cancelled' WHERE id = 11;
COMMIT;

-- 6. A review: the product's count and average follow.
BEGIN;
INSERT INTO reviews (id, product_id, user_id, rating, body, created_at)
VALUES (1005, 5, 2, 5, 'Mine works very well.', '2024-04-03 10:00:00+00');
COMMIT;

-- 7. A tag for a product: a row of the junction table.
BEGIN;
INSERT INTO product_tags (product_id, tag_id)
SELECT 1, id FROM tags WHERE label = 'sale';
COMMIT;

-- 8. A new price.
BEGIN;
UPDATE products SET price = 589.00 WHERE id = 3;
COMMIT;

-- 9. A new address, in capitals: the document has it in lower case.
BEGIN;
UPDATE users SET email = 'Jonas@Lind.Example.com' WHERE id = 2;
COMMIT;

-- 10. A soft-deleted user: the document goes.
BEGIN;
UPDATE users SET deleted = true WHERE id = 3;
COMMIT;

-- CALL simulate_production(duration_secs, ops_per_tick, sleep_ms, most_ops): a shop's everyday changes, at random.
-- Every tick is one transaction of `ops_per_tick` operations.  It ends with the time, or with the tick that reaches
-- `most_ops` operations.  Any number of sessions may call it at once.
DO $$
BEGIN
  -- An earlier one without `most_ops` would make every short call ambiguous.
  IF to_regprocedure('simulate_production(integer, integer, integer)') IS NOT NULL THEN
    DROP PROCEDURE simulate_production(integer, integer, integer);
  END IF;
END
$$;

CREATE OR REPLACE PROCEDURE simulate_production(
  duration_secs integer DEFAULT 60,
  ops_per_tick  integer DEFAULT 20,
  sleep_ms      integer DEFAULT 200,
  most_ops      bigint DEFAULT NULL
)
LANGUAGE plpgsql
AS $$
DECLARE
  ends      timestamptz := clock_timestamp() + duration_secs * interval '1 second';
  done      bigint := 0;
  new_order integer;
  new_item  integer;
BEGIN
  WHILE clock_timestamp() < ends AND (most_ops IS NULL OR done < most_ops) LOOP
    -- Ids are the highest plus one, and rows are updated in a random order: writers take turns.
    PERFORM pg_advisory_xact_lock(hashtext('simulate_production'));

    FOR operation IN 1..ops_per_tick LOOP
      CASE floor(random() * 7)::integer
        WHEN 0 THEN  -- a user changes tier
          UPDATE users SET tier = (ARRAY['free', 'plus', 'pro'])[1 + floor(random() * 3)::integer]
          WHERE id = (SELECT id FROM users ORDER BY random() LIMIT 1);

        WHEN 1 THEN  -- a product gets another price, or is sold out
          UPDATE products
          SET price = greatest(0.99, round(price * (0.8 + random() * 0.4)::numeric, 2)), in_stock = random() < 0.8
          WHERE id = (SELECT id FROM products ORDER BY random() LIMIT 1);

        WHEN 2 THEN  -- an order goes one step further
          UPDATE orders
          SET status = CASE status WHEN 'pending' THEN 'paid' WHEN 'paid' THEN 'shipped' ELSE 'delivered' END,
              shipped_at = CASE WHEN status = 'paid' THEN clock_timestamp() ELSE shipped_at END
          WHERE id = (SELECT id FROM orders WHERE status IN ('pending', 'paid', 'shipped') ORDER BY random() LIMIT 1);

        WHEN 3 THEN  -- a line of an order changes
          UPDATE order_items SET quantity = 1 + floor(random() * 9)::integer
          WHERE id = (SELECT id FROM order_items ORDER BY random() LIMIT 1);

        WHEN 4 THEN  -- an order comes in
          SELECT coalesce(max(id), 0) + 1 INTO new_order FROM orders;
          SELECT coalesce(max(id), 0) INTO new_item FROM order_items;
          INSERT INTO orders (id, user_id, status, placed_at)
          SELECT new_order, id, 'pending', clock_timestamp() FROM users ORDER BY random() LIMIT 1;
          INSERT INTO order_items (id, order_id, product_id, quantity, unit_price)
          SELECT new_item + row_number() OVER (), new_order, p.id, 1 + floor(random() * 5)::integer, p.price
          FROM (SELECT id, price FROM products ORDER BY random() LIMIT 1 + floor(random() * 3)::integer) p;
          UPDATE orders
          SET total = (SELECT coalesce(sum(quantity * unit_price), 0) FROM order_items WHERE order_id = new_order)
          WHERE id = new_order;

        WHEN 5 THEN  -- a customer has an opinion
          INSERT INTO reviews (id, product_id, user_id, rating, body, created_at)
          SELECT (SELECT coalesce(max(id), 0) + 1 FROM reviews), p.id,
                 (SELECT id FROM users ORDER BY random() LIMIT 1),
                 1 + floor(random() * 5)::integer, 'Said under load', clock_timestamp()
          FROM products p ORDER BY random() LIMIT 1;

        ELSE  -- a user leaves, or comes back
          UPDATE users SET deleted = NOT deleted
          WHERE id = (SELECT id FROM users ORDER BY random() LIMIT 1);
      END CASE;
      done := done + 1;
    END LOOP;

    COMMIT;
    PERFORM pg_sleep(sleep_ms / 1000.0);
  END LOOP;
  RAISE NOTICE 'simulate_production: % operations', done;
END
$$;

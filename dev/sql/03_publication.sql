-- What capture reads.  The slot is not made here: capture makes it when it starts first.
CREATE PUBLICATION flusso FOR TABLE
  users, profiles, addresses, categories, products, tags, product_tags, orders, order_items, reviews;

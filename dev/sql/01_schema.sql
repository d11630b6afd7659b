-- The example store: ten tables of a small shop.  Ids are explicit, so that every run has the same rows.

CREATE TABLE users (
  id         integer PRIMARY KEY,
  email      text NOT NULL,
  full_name  text,
  tier       text NOT NULL DEFAULT 'free',
  country    char(2),
  created_at timestamptz NOT NULL DEFAULT now(),
  deleted    boolean NOT NULL DEFAULT false
);

CREATE TABLE profiles (
  user_id    integer PRIMARY KEY REFERENCES users (id),
  bio        text,
  avatar_url text,
  birth_date date
);

CREATE TABLE addresses (
  id          integer PRIMARY KEY,
  user_id     integer NOT NULL REFERENCES users (id),
  kind        text NOT NULL,
  line1       text NOT NULL,
  city        text NOT NULL,
  postal_code text,
  country     char(2)
);

CREATE TABLE categories (
  id   integer PRIMARY KEY,
  name text NOT NULL,
  slug text NOT NULL
);

CREATE TABLE products (
  id          integer PRIMARY KEY,
  sku         text NOT NULL,
  name        text NOT NULL,
  description text,
  title       jsonb NOT NULL DEFAULT '{}',
  price       numeric(10, 2) NOT NULL,
  currency    char(3) NOT NULL DEFAULT 'USD',
  in_stock    boolean NOT NULL DEFAULT true,
  category_id integer REFERENCES categories (id),
  created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE tags (
  id    integer PRIMARY KEY,
  label text NOT NULL
);

CREATE TABLE product_tags (
  product_id integer NOT NULL REFERENCES products (id),
  tag_id     integer NOT NULL REFERENCES tags (id),
  PRIMARY KEY (product_id, tag_id)
);

CREATE TABLE orders (
  id         integer PRIMARY KEY,
  user_id    integer NOT NULL REFERENCES users (id),
  status     text NOT NULL DEFAULT 'pending',
  total      numeric(12, 2) NOT NULL DEFAULT 0,
  placed_at  timestamptz NOT NULL DEFAULT now(),
  shipped_at timestamptz
);

CREATE TABLE order_items (
  id         integer PRIMARY KEY,
  order_id   integer NOT NULL REFERENCES orders (id),
  product_id integer NOT NULL REFERENCES products (id),
  quantity   integer NOT NULL,
  unit_price numeric(10, 2) NOT NULL
);

CREATE TABLE reviews (
  id         integer PRIMARY KEY,
  product_id integer NOT NULL REFERENCES products (id),
  user_id    integer REFERENCES users (id),
  rating     smallint NOT NULL,
  body       text,
  created_at timestamptz NOT NULL DEFAULT now()
);

-- The columns that documents are joined over, from both ends.
CREATE INDEX addresses_user_id ON addresses (user_id);
CREATE INDEX products_category_id ON products (category_id);
CREATE INDEX product_tags_tag_id ON product_tags (tag_id);
CREATE INDEX orders_user_id ON orders (user_id);
CREATE INDEX order_items_order_id ON order_items (order_id);
CREATE INDEX order_items_product_id ON order_items (product_id);
CREATE INDEX reviews_product_id ON reviews (product_id);
CREATE INDEX reviews_user_id ON reviews (user_id);

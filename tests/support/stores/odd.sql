-- Tables with odd names, types and keys, for `flusso init`.

CREATE EXTENSION hstore;
CREATE SCHEMA "Sales Dept";
CREATE TYPE mood AS ENUM ('sad', 'so so', 'happy');
CREATE TYPE odd_mood AS ENUM ('', 'a => b');
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN positive AS int NOT NULL CHECK (value > 0);
CREATE TABLE "Order ""Items""" (
    "select" int PRIMARY KEY, "Größe" text, "größe" text, "_id" int, "2fa" boolean, "漢字" text, "null" text,
    "a.b" int, "MixedCase" timestamptz, "with
newline" int, "with'quote" date, "true" uuid
);
CREATE TABLE kinds (
    a smallint, b int, c bigint, d real, e float8, f numeric(10, 2), g money, h boolean, i text, j varchar(9),
    k char(3), l uuid, m mood, n odd_mood, o date, p timestamp, q timestamptz, r time, s timetz, t interval,
    u bytea, v json, w jsonb, x inet, y cidr, z macaddr, aa int4range, ab point, ac pair, ad pair[], ae int[],
    af text[][], ag mood[], ah hstore, ai hstore[], aj tsvector, ak xml, al bit(4), am positive, an name,
    ao inet[], ap cidr[], aq nummultirange, ar "char", au timestamp[], av jsonb[], aw bytea[], ax oid,
    PRIMARY KEY (c)
);
CREATE TABLE "Sales Dept".regions (country text, code int, name text, PRIMARY KEY (country, code));
CREATE TABLE "Sales Dept".people (
    id bigint PRIMARY KEY, email text UNIQUE, boss_id bigint REFERENCES "Sales Dept".people,
    country text NOT NULL, region int NOT NULL,
    FOREIGN KEY (country, region) REFERENCES "Sales Dept".regions
);
CREATE TABLE badges (person bigint PRIMARY KEY REFERENCES "Sales Dept".people, label text);
CREATE TABLE letters (
    id int PRIMARY KEY, sender text REFERENCES "Sales Dept".people (email),
    receiver text REFERENCES "Sales Dept".people (email), body text
);
CREATE TABLE follows (
    follower bigint REFERENCES "Sales Dept".people, followed bigint REFERENCES "Sales Dept".people,
    PRIMARY KEY (follower, followed)
);
CREATE TABLE visits (
    person bigint REFERENCES "Sales Dept".people, country text, code int, at date,
    FOREIGN KEY (country, code) REFERENCES "Sales Dept".regions, PRIMARY KEY (person, country, code)
);
CREATE TABLE loose (id int, person bigint REFERENCES "Sales Dept".people);
CREATE UNLOGGED TABLE fleeting (id int PRIMARY KEY);
CREATE VIEW looked AS SELECT 1 AS id;
CREATE TABLE measured (day date, id int, value int, PRIMARY KEY (day, id)) PARTITION BY RANGE (day);
CREATE TABLE measured_2024 PARTITION OF measured FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE flusso_meta (id int PRIMARY KEY);
CREATE TABLE "Orders" (id int PRIMARY KEY);
CREATE TABLE orders (id int PRIMARY KEY);
CREATE INDEX ON "Sales Dept".people (boss_id);
CREATE INDEX ON "Sales Dept".people (country, region);
CREATE INDEX ON letters (sender);
CREATE INDEX ON letters (receiver);
CREATE INDEX ON follows (followed);
CREATE INDEX ON visits (country, code);

INSERT INTO "Order ""Items""" ("select") VALUES (1);
INSERT INTO kinds (c, am) VALUES (1, 1);
INSERT INTO "Sales Dept".regions VALUES ('no', 1, 'North'), ('se', 1, 'South');
INSERT INTO "Sales Dept".people VALUES (1, 'a@x', NULL, 'no', 1), (2, 'b@x', 1, 'se', 1);
INSERT INTO badges VALUES (2, 'late');
INSERT INTO letters VALUES (1, 'a@x', 'b@x', 'hello');
INSERT INTO follows VALUES (1, 2);
INSERT INTO visits VALUES (1, 'se', 1, '2024-05-05');
INSERT INTO measured VALUES ('2024-05-05', 1, 1);

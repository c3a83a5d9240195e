-- SPDX-License-Identifier: BSD-2-Clause
-- MySQL or MariaDB: a table for rows as malloc-trace writes them (heaptap export -f malloc-trace,
-- heaptap orphans --format malloc-trace), and how they are loaded:
--   mysql --local-infile=1 DATABASE <scripts/create_malloc_trace_table.sql
-- with the rows in malloc-trace.csv, in the folder it is called in.
CREATE TABLE IF NOT EXISTS malloc_trace (
  funct_name VARCHAR(32) NOT NULL,
  thread_id INT UNSIGNED NOT NULL,
  address BIGINT UNSIGNED NOT NULL,
  size BIGINT UNSIGNED NOT NULL,
  ms_timestamp BIGINT UNSIGNED NOT NULL,
  call_stack MEDIUMTEXT NOT NULL,
  INDEX (address),
  INDEX (ms_timestamp),
  FULLTEXT (call_stack)
) DEFAULT CHARACTER SET utf8mb4;

LOAD DATA LOCAL INFILE 'malloc-trace.csv' INTO TABLE malloc_trace
  CHARACTER SET utf8mb4
  FIELDS TERMINATED BY ';' OPTIONALLY ENCLOSED BY '"' ESCAPED BY '\\'
  LINES TERMINATED BY '\n';

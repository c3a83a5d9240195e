-- Loads what `heaptap export -f csv` and `heaptap orphans --format csv` write:
--   mysql --local-infile=1 DATABASE <THIS
CREATE TABLE IF NOT EXISTS heaptap_events (
  time_ns BIGINT UNSIGNED NOT NULL,
  time_ms BIGINT UNSIGNED NOT NULL,
  pid INT UNSIGNED NOT NULL,
  tid INT UNSIGNED NOT NULL,
  comm TEXT NOT NULL,
  build_id TEXT NOT NULL,
  event VARCHAR(32) NOT NULL,
  function TEXT NOT NULL,
  family TEXT NOT NULL,
  address BIGINT UNSIGNED NOT NULL,
  address_hex VARCHAR(32) NOT NULL,
  size BIGINT UNSIGNED NOT NULL,
  old_address BIGINT UNSIGNED NOT NULL,
  old_size BIGINT UNSIGNED NOT NULL,
  stack_cut TINYINT UNSIGNED NOT NULL,
  stack LONGTEXT NOT NULL
) DEFAULT CHARACTER SET utf8mb4;
LOAD DATA LOCAL INFILE 'NAME.csv' INTO TABLE heaptap_events
  CHARACTER SET utf8mb4
  FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '"' ESCAPED BY ''
  LINES TERMINATED BY '\n' IGNORE 1 LINES;
CREATE INDEX heaptap_events_address ON heaptap_events (pid, address);
CREATE INDEX heaptap_events_time ON heaptap_events (time_ns);

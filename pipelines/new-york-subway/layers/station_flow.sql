-- Persons an hour through each station, both ways; coverage is the share of readings without fault.
SELECT
  'site'                                                     AS subject_kind,
  site_id                                                    AS subject,
  persons / 4.0                                              AS value,
  'persons/h'                                                AS unit,
  1.0 - readings_flagged / CAST(readings AS DOUBLE)          AS coverage,
  'flow/counter-difference@1'                                AS method
FROM station_4h

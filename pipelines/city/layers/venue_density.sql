-- Persons on each usable square metre, with Fruin's level for walkways.
SELECT
  'venue'                                                    AS subject_kind,
  o.venue_id                                                 AS subject,
  o.persons / v.usable_area_m2                               AS value,
  o.lo / v.usable_area_m2                                    AS lo,
  o.hi / v.usable_area_m2                                    AS hi,
  'persons/m2'                                               AS unit,
  los_level('fruin_walkway', o.persons / v.usable_area_m2)   AS level,
  o.data_age,
  'density/usable-area@1'                                    AS method
FROM occupancy o
JOIN venue v ON v.venue_id = o.venue_id

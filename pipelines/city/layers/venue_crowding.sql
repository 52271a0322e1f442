-- How near each venue is to too many: the share of its capacity, with the level by capacity or, where
-- that is worse, by a density at which people are hurt.
SELECT
  'venue'                                AS subject_kind,
  o.venue_id                             AS subject,
  o.persons / CAST(v.capacity AS DOUBLE) AS value,
  o.lo / v.capacity                      AS lo,
  o.hi / v.capacity                      AS hi,
  '1'                                    AS unit,
  worse_level(
    crowd_level(o.persons, v.capacity),
    life_safety_level('moving', o.persons / v.usable_area_m2)
  )                                      AS level,
  o.data_age,
  'level/load@1'                         AS method
FROM occupancy o
JOIN venue v ON v.venue_id = o.venue_id

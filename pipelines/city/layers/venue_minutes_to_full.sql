-- Minutes until a venue is full if it goes on as in the window; none where it is not filling.
SELECT
  'venue'    AS subject_kind,
  o.venue_id AS subject,
  minutes_to_threshold(o.persons, v.capacity, o.arrivals, o.departures, 5.0)    AS value,
  minutes_to_threshold_lo(o.persons, v.capacity, o.arrivals, o.departures, 5.0) AS lo,
  minutes_to_threshold_hi(o.persons, v.capacity, o.arrivals, o.departures, 5.0) AS hi,
  'min'      AS unit,
  o.data_age,
  CASE WHEN o.arrivals <= o.departures AND o.persons < v.capacity THEN 'not_filling' END AS reason,
  'indicator/time-to-threshold@1' AS method
FROM occupancy o
JOIN venue v ON v.venue_id = o.venue_id

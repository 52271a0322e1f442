-- The share of each feed's expected input that is not there.
SELECT
  'feed'            AS subject_kind,
  feed              AS subject,
  1.0 - coverage    AS value,
  '1'               AS unit,
  'feed/coverage@1' AS method
FROM feed_quality
WHERE coverage IS NOT NULL

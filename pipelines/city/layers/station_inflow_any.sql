-- Chance that at least one infectious traveller arrived at the station in the window, over chance
-- and everything uncertain; the interval is at the ends of ascertainment.
WITH arrivals AS (
  SELECT s.venue_id, i.origin, sum(f.persons) AS persons
  FROM inflow_15m f
  JOIN site s ON s.site_id = f.site_id
  LEFT JOIN incidence i ON i.origin = f.origin AND i.origin <> 'unknown'
  WHERE s.kind = 'rail' AND s.venue_id IS NOT NULL
  GROUP BY s.venue_id, i.origin
),
risk AS (
  SELECT a.venue_id, import_risk(a.persons, i.evidence, i.entry_effect, u.evidence) AS r
  FROM arrivals a
  LEFT JOIN incidence i ON i.origin = a.origin
  CROSS JOIN (SELECT evidence FROM incidence WHERE origin = 'unknown') u
  GROUP BY a.venue_id
)
SELECT
  'venue'  AS subject_kind,
  venue_id AS subject,
  r['at_least_one']       AS value,
  r['at_least_one_lo']    AS lo,
  r['at_least_one_hi']    AS hi,
  'probability'           AS unit,
  'inflow/lambda-joint@1' AS method
FROM risk

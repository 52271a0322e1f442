-- Infectious persons in each railway station at once, by Little's law. That travellers stay for 8
-- minutes on average is an assumption: measure yours.
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
  little(4 * r['lambda'], 8.0)      AS value,
  little(4 * r['lambda_lo95'], 8.0) AS lo,
  little(4 * r['lambda_hi95'], 8.0) AS hi,
  'infectious persons'    AS unit,
  'presence/little@1'     AS method
FROM risk

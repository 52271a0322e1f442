-- Persons in each cell: those of each venue, rounded to whole persons, allocated by area to the cells
-- that its polygon overlaps, and summed over venues. A cell with a part of a venue of which nothing is
-- known has no value; one without a part of a venue has no row. People outside of venues are not in it.
WITH allocated AS (
  SELECT
    o.venue_id,
    unnest(allocate_cells(CAST(round(o.persons) AS BIGINT), c.cell, c.share)) AS part
  FROM occupancy o
  JOIN venue_cell c ON c.venue_id = o.venue_id
  GROUP BY o.venue_id
)
SELECT
  'cell'                           AS subject_kind,
  h3_h3_to_string(c.cell)          AS subject,
  CASE WHEN count(a.part['persons']) = count(*) THEN sum(a.part['persons']) END AS value,
  'persons'                        AS unit,
  max(o.data_age)                  AS data_age,
  'allocation/largest-remainder@1' AS method
FROM occupancy o
JOIN venue_cell c ON c.venue_id = o.venue_id
LEFT JOIN allocated a ON a.venue_id = o.venue_id AND a.part['cell'] = c.cell
GROUP BY c.cell

-- Persons counted in each cell, whatever their direction: how busy it is, not how dense.
SELECT
  cell,
  sum(count) AS persons
FROM observation
WHERE subject = 'person' AND cell IS NOT NULL AND measure IN ('in', 'out', 'through')
GROUP BY cell

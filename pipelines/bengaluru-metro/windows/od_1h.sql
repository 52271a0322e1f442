-- Who came from where: site_id is the station of exit.
SELECT origin, site_id, sum(count) AS persons
FROM observation
WHERE feed = 'od' AND measure = 'out'
GROUP BY origin, site_id

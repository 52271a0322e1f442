SELECT site_id, sum(count) AS persons
FROM observation
WHERE feed = 'od' AND measure = 'out'
GROUP BY site_id

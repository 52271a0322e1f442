SELECT site_id, sum(count) AS persons
FROM observation
WHERE feed = 'entries' AND measure = 'in'
GROUP BY site_id

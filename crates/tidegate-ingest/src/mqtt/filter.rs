//! Whether a topic is one of those that were asked for (MQTT 3.1.1, section 4.7).

/// Whether `topic` matches `filter`; of a shared subscription the part after its group counts.
pub(super) fn matches(topic: &str, filter: &str) -> bool {
    let filter = filter
        .strip_prefix("$share/")
        .and_then(|shared| shared.split_once('/'))
        .map_or(filter, |(_, filter)| filter);
    // A wildcard does not reach the broker's own topics.
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut levels = topic.split('/');
    for wanted in filter.split('/') {
        if wanted == "#" {
            return true;
        }
        match levels.next() {
            Some(level) if wanted == "+" || wanted == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn filters_match_as_the_standard_says() {
        for (topic, filter, expected) in [
            ("a/b", "a/b", true),
            ("a/b", "a/+", true),
            ("a/b", "+/+", true),
            ("a/b", "+", false),
            ("/a", "+/+", true),
            ("/a", "/+", true),
            ("/a", "+", false),
            ("a", "a/#", true),
            ("a/b/c", "a/#", true),
            ("a/b/c", "#", true),
            ("ab", "a/#", false),
            ("a/b/c", "a/+", false),
            ("a", "a/+", false),
            ("a/", "a/+", true),
            ("$SYS/x", "#", false),
            ("$SYS/x", "+/x", false),
            ("$SYS/x", "$SYS/#", true),
            ("市场/东", "市场/+", true),
            ("市场/东", "#", true),
            ("a/b", "$share/group/a/+", true),
            ("a/b", "$share/group/b/+", false),
        ] {
            assert_eq!(matches(topic, filter), expected, "{topic} {filter}");
        }
    }
}

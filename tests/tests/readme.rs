//! The README's code blocks do what they say: each line is run in a shell, as a reader would.

use crate::support::{root, shell};

/// The command that runs this very test; running it here would never end.
const THIS: &str = "cargo ci";

#[test]
fn every_command_of_the_readme_works() {
    let text = std::fs::read_to_string(root().join("README.md")).unwrap();
    let commands: Vec<&str> = text
        .split("```sh\n")
        .skip(1)
        .flat_map(|block| block.split("```").next().unwrap_or_default().lines())
        .filter(|line| !line.trim().is_empty())
        .collect();
    assert!(commands.len() >= 5, "the README's blocks were not found");
    assert!(
        commands.contains(&THIS),
        "the README names the test command"
    );
    for command in commands.iter().filter(|command| **command != THIS) {
        let output = shell("sh").args(["-c", command]).output().unwrap();
        assert!(
            output.status.success(),
            "`{command}` failed\n{}\n{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

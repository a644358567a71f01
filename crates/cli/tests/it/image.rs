//! What the image and the containers may do: read, since no container engine is at hand where tests run.

const DOCKERFILE: &str = include_str!("../../../../Dockerfile");
const COMPOSE: &str = include_str!("../../../../docker-compose.yml");
/// The services that run images of others.
const OTHERS: [&str; 2] = ["postgres", "redis"];

/// The lines below a key of the file's outermost level, or of the level below it.
fn block<'f>(lines: &[&'f str], key: &str) -> Vec<&'f str> {
    let begin = lines
        .iter()
        .position(|line| line.trim_start().starts_with(key))
        .unwrap_or_else(|| panic!("{key} is not there"));
    let depth = indent(lines[begin]);
    let inside = lines[begin + 1..].iter();
    inside
        .filter(|line| !line.trim().is_empty())
        .take_while(|line| indent(line) > depth)
        .copied()
        .collect()
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

#[test]
fn the_image_runs_as_a_user_without_rights() {
    let last_stage = DOCKERFILE.rsplit("\nFROM ").next().unwrap();
    let users: Vec<&str> = last_stage
        .lines()
        .filter_map(|line| line.strip_prefix("USER "))
        .collect();
    // A number, since whoever starts it may be told to refuse root and cannot look a name up.
    let [user] = users[..] else {
        panic!("{users:?}")
    };
    let (user, group) = user.split_once(':').unwrap();
    assert!(user.parse::<u32>().unwrap() >= 1_000, "{user}");
    assert!(group.parse::<u32>().unwrap() >= 1_000, "{group}");
    let after = last_stage.split_once("\nUSER ").unwrap().1;
    for instruction in ["RUN", "COPY", "ADD"] {
        assert!(!after.contains(&format!("\n{instruction} ")), "as root");
    }
}

#[test]
fn containers_of_ours_write_nothing_and_gain_no_rights() {
    let lines: Vec<&str> = COMPOSE.lines().collect();
    let shared = block(&lines, "x-app:");
    for setting in [
        "read_only: true",
        "cap_drop: [ALL]",
        "security_opt: [\"no-new-privileges:true\"]",
    ] {
        assert!(
            shared.iter().any(|line| line.trim() == setting),
            "{setting}"
        );
    }
    let services = block(&lines, "services:");
    let names: Vec<&str> = services
        .iter()
        .filter(|line| indent(line) == 2)
        .filter_map(|line| line.trim().strip_suffix(':'))
        .collect();
    assert!(names.contains(&"web") && names.contains(&"worker"));
    for name in names {
        let settings = block(&services, &format!("{name}:"));
        let has = |wanted: &str| settings.iter().any(|line| line.trim().starts_with(wanted));
        assert_eq!(has("<<: *app"), !OTHERS.contains(&name), "{name}");
        for forbidden in [
            "read_only:",
            "cap_drop:",
            "cap_add:",
            "security_opt:",
            "user:",
            "privileged:",
            "network_mode:",
            "pid:",
        ] {
            assert!(!has(forbidden), "{name} has {forbidden}");
        }
        // Reachable from this machine alone, if at all.
        let ports = block_or_empty(&settings, "ports:");
        assert!(
            ports.iter().all(|line| line.contains("\"127.0.0.1:")),
            "{name}: {ports:?}"
        );
    }
}

fn block_or_empty<'f>(lines: &[&'f str], key: &str) -> Vec<&'f str> {
    if lines.iter().any(|line| line.trim_start().starts_with(key)) {
        block(lines, key)
    } else {
        Vec::new()
    }
}

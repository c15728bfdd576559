use super::*;

fn names(text: &str) -> Vec<String> {
    parse(text).commands.iter().map(|c| c.words.iter().map(|w| w.resolved()).collect::<Vec<_>>().join(" ")).collect()
}

fn runs(text: &str, wanted: &str) {
    let found = names(text);
    assert!(found.iter().any(|command| command == wanted), "{text:?}: {found:?}");
}

#[test]
fn words_are_what_the_shell_makes_of_them() {
    for (text, wanted) in [
        ("grep -r \"rm -rf\" docs/", "grep -r rm -rf docs/"),
        ("r\\m -r'f' \"/x y\"", "rm -rf /x y"),
        ("$'\\162\\155' -rf /srv", "rm -rf /srv"),
        ("rm${IFS}-rf${IFS}/srv", "rm -rf /srv"),
        ("rm$IFS-rf /srv", "rm -rf /srv"),
        ("v=IFS; rm${!v}-rf /srv", "rm -rf /srv"),
        ("a=r; b=m; $a$b -rf /srv", "rm -rf /srv"),
        ("r${zz}m -rf /srv", "rm -rf /srv"),
        ("r$@m -rf /srv", "rm -rf /srv"),
        ("{rm,-rf,/srv}", "rm -rf /srv"),
        ("$(printf rm) -rf /srv", "rm -rf /srv"),
        ("`echo rm` -rf /srv", "rm -rf /srv"),
        ("r\\155 -rf /srv", "rm -rf /srv"),
        ("echo ${x:-y} z", "echo y z"),
        ("if true; then rm x; fi", "rm x"),
        ("f() { rm x; }", "rm x"),
        ("cat <<'E' | sh\nrm x\nE\n", "rm x"),
        ("sh <<< 'rm x'", "rm x"),
        ("echo rm x | sh", "rm x"),
        ("sudo -u root nohup rm x", "rm x"),
        ("env -i A=b rm x", "rm x"),
        ("sh -c 'bash -c \"rm x\"'", "rm x"),
        ("echo x | xargs rm", "rm x"),
        ("find . -exec rm {} \\;", "rm {}"),
        ("docker exec -it c rm x", "rm x"),
        ("cmd /c rm x", "rm x"),
        ("echo \"$(rm x)\" 2>&1", "rm x"),
        ("diff <(rm x) y", "rm x"),
        ("timeout 5 rm x", "rm x"),
    ] {
        runs(text, wanted);
    }
}

#[test]
fn pipelines_and_redirections() {
    let script = parse("a 2>&1 >out | b &> all | c < in");
    assert_eq!(script.commands.len(), 3);
    assert_eq!(script.commands[2].pipe_from, Some(1));
    assert_eq!(script.sources(2).count(), 2);
    assert_eq!(script.commands[0].redirects[1], Redirect { kind: b'>', target: "out".to_owned() });
    assert_eq!(script.commands[1].redirects[0], Redirect { kind: b'&', target: "all".to_owned() });
}

#[test]
fn spans_point_into_the_source() {
    let text = "true; sudo rm -r x; sh -c 'rm y'";
    for command in &parse(text).commands {
        assert!(text.get(command.span.clone()).is_some(), "{command:?}");
    }
}

#[test]
fn work_is_linear() {
    for unit in [
        "$(",
        "`",
        "((",
        "{a,",
        "${a",
        "$(echo ",
        "a=$a$a;",
        "\\",
        "'\"",
        "sh -c '",
        "<<E\n",
        "|&;",
        "{a,b}{a,b}",
        "xargs ",
        "sudo ",
        "echo a|sh;",
        "eval ",
        "x<(",
        "find -exec ",
    ] {
        let steps = |n: usize| parse(&unit.repeat(n)).steps;
        let (small, large) = (steps(500), steps(2000));
        assert!(large <= 10 * small.max(2000), "{unit:?}: {small} {large}");
    }
}

proptest::proptest! {
    #[test]
    fn never_panics(text in "[\\PC\\n$`'\"(){}<>|&;\\\\ a-z=]{0,200}") {
        for command in parse(&text).commands {
            proptest::prop_assert!(text.get(command.span.clone()).is_some());
        }
    }
}

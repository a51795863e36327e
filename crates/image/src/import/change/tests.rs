//! Tests of `--change` as Docker's own builder reads it.

use oci::image::Config;

use super::{Change, apply_changes};

fn config(lines: &[&str]) -> Config {
    let changes: Vec<Change> = lines.iter().map(|line| Change::parse(line).unwrap()).collect();
    let mut config = Config::default();
    apply_changes(&mut config, &changes).unwrap();
    config
}

fn error(line: &str) -> String {
    let error = Change::parse(line).and_then(|change| apply_changes(&mut Config::default(), &[change]));
    error.unwrap_err().to_string()
}

#[test]
fn commands_are_lists_or_lines_for_the_shell() {
    assert_eq!(config(&[r#"CMD ["sh", "-x"]"#]).cmd.unwrap(), ["sh", "-x"]);
    assert_eq!(config(&["cmd echo $HOME  x"]).cmd.unwrap(), ["/bin/sh", "-c", "echo $HOME  x"]);
    assert_eq!(config(&["CMD [not json"]).cmd.unwrap(), ["/bin/sh", "-c", "[not json"]);
    let both = config(&[r#"CMD ["a"]"#, r#"ENTRYPOINT ["b"]"#]);
    assert_eq!((both.cmd.unwrap(), both.entrypoint.unwrap()), (vec!["a".to_owned()], vec!["b".to_owned()]));
}

#[test]
fn entrypoint_drops_a_command_from_below() {
    let mut below = config(&["CMD a"]);
    apply_changes(&mut below, &[Change::parse("ENTRYPOINT b").unwrap()]).unwrap();
    assert_eq!(below.cmd, None);
}

#[test]
fn environment_and_labels_know_quotes_and_variables() {
    let config = config(&[
        r#"ENV A=1 B="two words" C=three\ words D='$A'"#,
        "ENV OLD form  with blanks",
        r#"ENV A=2 P=$B:${NONE:-x}:${A:+set}"#,
        r#"LABEL a.b="x y" "q k"=$A"#,
    ]);
    let expected =
        ["A=2", "B=two words", "C=three words", "D=$A", "OLD=form  with blanks", "P=two words:x:set"];
    assert_eq!(config.env, expected);
    assert_eq!(config.labels["a.b"], "x y");
    assert_eq!(config.labels["q k"], "2");
}

#[test]
fn the_rest_is_read() {
    let config = config(&[
        "EXPOSE 80 53/UDP 8000-8002",
        r#"VOLUME ["/a b"]"#,
        "VOLUME /c /d",
        "USER 1000:1000",
        "WORKDIR /srv",
        "WORKDIR app/../x",
        "STOPSIGNAL SIGQUIT",
        "HEALTHCHECK --interval=1m30s --timeout=1.5s --retries=3 CMD curl -f localhost",
        "ONBUILD RUN x",
    ]);
    let ports: Vec<&String> = config.exposed_ports.iter().collect();
    assert_eq!(ports, ["53/udp", "80/tcp", "8000/tcp", "8001/tcp", "8002/tcp"]);
    assert_eq!(config.volumes.iter().collect::<Vec<_>>(), ["/a b", "/c", "/d"]);
    assert_eq!(
        (&*config.user, &*config.working_dir, &*config.stop_signal),
        ("1000:1000", "/srv/x", "SIGQUIT")
    );
    let health = config.healthcheck.unwrap();
    assert_eq!((health.interval, health.timeout, health.retries), (90_000_000_000, 1_500_000_000, 3));
    assert_eq!(health.test, ["CMD-SHELL", "curl -f localhost"]);
    assert_eq!(config.on_build, ["RUN x"]);
}

#[test]
fn faults_name_the_line() {
    assert_eq!(error("FROM x"), "invalid change `FROM x`: FROM is not a valid change command");
    assert_eq!(error("RUN x"), "invalid change `RUN x`: RUN is not a valid change command");
    assert_eq!(error("EXPOSE 99999"), "invalid change `EXPOSE 99999`: invalid containerPort: 99999");
    for bad in [
        "",
        "CMD",
        "ENV a",
        "ENV a=1 b",
        "ENV =x",
        "LABEL x='y",
        "EXPOSE 2-1",
        "EXPOSE 80/icmp",
        "VOLUME [\"\"]",
        "STOPSIGNAL 0",
        "STOPSIGNAL !",
        "HEALTHCHECK x",
        "HEALTHCHECK NONE x",
        "HEALTHCHECK --interval=5 CMD x",
        "HEALTHCHECK --retries=-1 CMD x",
        "HEALTHCHECK --interval=1us CMD x",
        "ONBUILD ONBUILD RUN x",
        "ONBUILD FROM x",
        "USER ${a!}",
    ] {
        let result = Change::parse(bad).and_then(|change| apply_changes(&mut Config::default(), &[change]));
        assert!(result.is_err(), "{bad}");
    }
}

//! How bad command lines are refused: exit code, one line, a hint.

use super::*;

fn shown(lines: &[&str]) -> String {
    lines.iter().map(|line| format!("$ coracle {line}\n{}\n", failure(line))).collect()
}

#[test]
fn flags_that_do_not_read() {
    insta::assert_snapshot!(
        "refused_flags",
        shown(&[
            "run --bogus busybox",
            "run --memroy 5m busybox",
            "run -Z busybox",
            "run -itZ busybox",
            "run --name",
            "run -m",
            "run -m abc busybox",
            "run --rm=maybe busybox",
            "run --cpus x busybox",
            "run --ulimit foo=1 busybox",
            "run --cap-add NET_ADMNI busybox",
            "run --pid foo busybox",
            "run --pull foo busybox",
            "run -v d:/data busybox",
            "run -v db:/data:nonrecursive busybox",
            "run --mount type=volume,src=/a,dst=/x busybox",
            "run --volumes-from a:x busybox",
            "run --stop-signal foo busybox",
            "run -e =a busybox",
            "run --sysctl foo=1 busybox",
            "run --name a busybox",
            "run --network alias=a busybox",
            "run --network name=a,foo=1 busybox",
            "run --network name=a,ip=x busybox",
            "run --network container: busybox",
            "run --ip fd00::1 busybox",
            "run --mac-address 01:02:03:04:05:06 busybox",
            "run --network-alias a/b busybox",
            "run --add-host a busybox",
            "run -p 80:x busybox",
            "run -p x:80:80 busybox",
            "run -p 80/sctp busybox",
            "run -p 1-2:1-3 busybox",
            "run --expose 80:80 busybox",
            "run --memory-swappiness x busybox",
            "ps --bogus",
            "ps -f foo",
            "ps --format '{{.ID'",
            "stop -t x a",
            "kill -s",
            "logs -n x a",
            "inspect --type foo a",
            "network create --subnet 10.1.2.3/16 a",
            "network create --gateway x a",
            "network create --aux-address x a",
            "network connect --ip fd00::1 net web",
            "network connect --alias a,b/c net web",
            "network ls -f type=x",
            "network prune --filter until=x",
            "port web http",
            "port web 80/sctp",
            "import -c 'RUN x' a.tar",
        ])
    );
}

#[test]
fn flags_that_are_not_there_yet() {
    insta::assert_snapshot!(
        "refused_by_name",
        shown(&[
            "run --link a:b busybox",
            "run --link-local-ip 169.254.1.1 busybox",
            "run --network name=a,gw-priority=1 busybox",
            "run --health-interval -1s busybox",
            "run --health-timeout 1us busybox",
            "run --health-retries -1 busybox",
            "run --health-start-period x busybox",
            "run --health-cmd true --no-healthcheck busybox",
            "run --restart often busybox",
            "run --restart always:3 busybox",
            "run --restart always --rm busybox",
            "run --gpus all busybox",
            "run --runtime runc busybox",
            "run --storage-opt size=1g busybox",
            "run --kernel-memory 5m busybox",
            "run --isolation vm busybox",
            "run --log-driver syslog busybox",
            "run --log-driver json-file --log-opt tag=x busybox",
            "run --disable-content-trust=false busybox",
            "start --checkpoint x a",
            "rm -l a",
            "update --restart often a",
            "update --restart no --kernel-memory 5m a",
            "update a",
            "update --memory 0 a",
            "update --memory 1m a",
            "update --cpus 1 --cpu-quota 5000 a",
            "rmi --platform linux a",
            "images --tree",
            "ps -f health=well",
            "volume create --scope single a",
            "network create --attachable a",
            "network create --config-only a",
            "network create --ipv4=false a",
            "network create --ipam-driver dhcp a",
            "network create --scope swarm a",
            "network create -d overlay a",
            "network create -d ipvlan a",
            "network connect --driver-opt a=b net web",
            "network connect --gw-priority 1 net web",
            "network connect --link db net web",
            "network connect --link-local-ip 169.254.1.1 net web",
            "import http://x/y.tar",
        ])
    );
}

#[test]
fn flags_that_contradict() {
    insta::assert_snapshot!(
        "refused_together",
        shown(&[
            "run -d -a stdin busybox",
            "run -m 1m busybox",
            "run -m 10m --memory-reservation 20m busybox",
            "run --memory-swap 10m busybox",
            "run -m 20m --memory-swap 10m busybox",
            "run --cpus 1 --cpu-quota 5000 busybox",
            "run --cpus 1 --cpu-period 5000 busybox",
            "run --cpu-period 5 busybox",
            "run --cpu-quota 5 busybox",
            "run --memory-swappiness 101 busybox",
            "run --oom-score-adj 1001 busybox",
            "run -h a --uts host busybox",
            "run -h a --network container:b busybox",
            "run --dns 1.1.1.1 --network container:b busybox",
            "run --add-host a:1.1.1.1 --network container:b busybox",
            "run -p 80:80 --network container:b busybox",
            "run -P --network container:b busybox",
            "run --expose 80 --network container:b busybox",
            "run --mac-address 92:d0:c6:0a:29:33 --network container:b busybox",
            "run --network-alias a --network host busybox",
            "run --ip 10.0.0.5 --network none busybox",
            "run --network a --network a busybox",
            "run --network a --network bridge busybox",
            "run --network host --network none busybox",
            "run --network default --network bridge busybox",
            "run --network name=a,alias=b --network-alias c busybox",
            "run --network name=a,ip=10.0.0.5 --ip 10.0.0.6 busybox",
            "run --network name=a,mac-address=92:d0:c6:0a:29:33 --mac-address 92:d0:c6:0a:29:33 busybox",
            "run --network host --sysctl net.core.somaxconn=1 busybox",
            "run --ipc host --shm-size 1m busybox",
            "run -v /a:/x --tmpfs /x busybox",
            "run --env-file gone busybox",
            "run --env-file bad.env busybox",
            "run --cidfile taken.cid busybox",
            "run --security-opt foo busybox",
            "run --security-opt seccomp=gone busybox",
            "run --security-opt seccomp=broken.json busybox",
            "start -a a b",
            "network create --subnet fd00::/64 a",
            "network create --subnet 10.1.0.0/16 --gateway 10.2.0.1 a",
            "network create --ip-range 10.1.0.0/24 a",
            "logs --since foo a",
        ])
    );
    let piped = Fixed { terminal: false, ..surroundings() };
    let text = |line: &str| parse(&split(line), &piped).unwrap_err().to_string();
    assert!(text("run -it busybox").starts_with("error: the input device is not a TTY\n"));
    assert!(text("exec -it web sh").starts_with("error: the input device is not a TTY\n"));
    assert!(parse(&split("run -t busybox"), &piped).is_ok());
    assert!(failure("load").contains("requested load from stdin, but stdin is empty"));
}

#[test]
fn words_and_verbs() {
    insta::assert_snapshot!(
        "refused_words",
        shown(&[
            "run",
            "run --rm",
            "exec a",
            "tag a",
            "tag a b c",
            "ps foo",
            "images a b",
            "import a b c",
            "container rm",
            "logs",
            "version x",
            "network create",
            "network connect net",
            "network ls x",
            "port",
            "port a 80 81",
            "rnu busybox",
            "frobnicate",
            "swarm init",
            "container foo",
            "container strat x",
            "container checkpoint x",
            "help foo",
            "--bogus ps",
            "--rot /x ps",
            "-H unix:///x ps",
            "--root",
            "--root= ps",
            "--debug=x ps",
        ])
    );
}

#[test]
fn bytes_that_are_no_text() {
    use std::os::unix::ffi::OsStringExt;
    let args = [OsString::from("run"), OsString::from_vec(b"a\xff".to_vec())];
    let error = parse(&args, &surroundings()).unwrap_err().to_string();
    assert_eq!(error, "error: argument `a\u{fffd}` is not UTF-8\n");
}

/// A definition that clap would refuse only where it is used.
#[test]
fn every_verb_parses() {
    for entry in crate::verb::VERBS {
        for spelling in entry.spellings {
            let help = read(&format!("{spelling} --help")).unwrap_err().to_string();
            assert!(help.contains(&format!("Usage:  coracle {spelling}")), "{spelling}: {help}");
            let unknown = failure(&format!("{spelling} --no-such-flag"));
            assert!(
                unknown.starts_with("125 error: unknown flag: --no-such-flag\n"),
                "{spelling}: {unknown}"
            );
        }
    }
}

//! What good command lines mean.

use super::*;

/// Asserts what options add to `run IMAGE`.
macro_rules! run_means {
    ($($name:ident: $options:literal;)*) => {$(
        #[test]
        fn $name() {
            let line = concat!("run ", $options, " busybox");
            insta::assert_snapshot!(stringify!($name), format!("{line}\n\n{}", difference("run busybox", line)));
        }
    )*};
}

run_means! {
    run_identity: "--name web -l a=b --label c --label-file labels --annotation k=v --cidfile out.cid --platform arm64 --pull never --rm";
    run_process: "-e A=b -e HOME -e GONE --env-file vars.env -w /a/../b -u 1:2 --group-add wheel --group-add 5 -h box --domainname lan --init --restart on-failure:3 --stop-signal int --stop-timeout 3 --entrypoint /bin/x";
    run_mounts: "-v ./src:/srv/src:ro -v /a:/srv --mount type=bind,src=/b,dst=/c,idmap=owner --mount type=tmpfs,dst=/t,tmpfs-size=1m --tmpfs /run:size=64k,exec --read-only --shm-size 1g";
    run_volumes: "-v /data -v db:/srv:ro,nocopy --mount type=volume,src=web,dst=/web,volume-label=a=b,volume-subpath=sub --mount type=image,src=busybox,dst=/box --volumes-from a:ro --volumes-from b --volume-driver local";
    run_memory: "-m 512m --memory-reservation 256m --memory-swap -1 --memory-swappiness 0 --oom-kill-disable --oom-score-adj -500";
    run_cpu: "--cpus 1.5 -c 512 --cpuset-cpus 0-1 --cpuset-mems 0";
    run_cpu_quota: "--cpu-period 100000 --cpu-quota 50000 --cpu-rt-period 1000 --cpu-rt-runtime 900";
    run_io: "--blkio-weight 300 --blkio-weight-device /dev/sda:200 --device-read-bps /dev/sda:1mb --device-write-iops /dev/sda:100";
    run_limits: "--pids-limit -1 --ulimit nofile=1:2 --ulimit core=0 --ulimit nofile=5 --cgroup-parent /x --device /dev/fuse:rw '--device-cgroup-rule' 'c 1:* rm'";
    run_security: "--cap-add net_admin --cap-drop ALL --security-opt no-new-privileges --security-opt seccomp=profile.json --security-opt unmask=/proc/* --security-opt mask=/x --privileged --sysctl net.core.somaxconn=5";
    run_namespaces: "--pid host --ipc shareable --uts private --cgroupns host --userns auto --net container:web";
    run_names: "--network host --add-host a:1.2.3.4 --add-host gw:host-gateway --dns 8.8.8.8 --dns-search x.y --dns-opt ndots:2";
    run_ports: "-p 8080:80 -p 127.0.0.1::53/udp -p [::1]:9000-9002:9000-9002 -P --expose 80-81/udp --expose 443";
    run_networks: "--network name=web,alias=a,ip=10.0.0.5,mac-address=02:42:ac:11:00:02 --net db --ip6 fd00::5";
    run_first_network: "--network web --network db --network-alias a --net-alias b --ip 10.0.0.5 --ip6 fd00::5 --mac-address 92:d0:c6:0a:29:33";
    run_default_network: "--network default --mac-address 92:d0:c6:0a:29:33";
    run_health: "--health-cmd 'test -e /x' --health-interval 1m30s --health-timeout 500ms --health-start-period 1h --health-start-interval 2s --health-retries 5";
    run_terminal: "-it --detach-keys ctrl-a,b";
    run_detached: "-dq --log-driver none --no-healthcheck --sig-proxy=false";
    run_log: "--log-opt max-size=1m --log-opt max-file=2";
    run_harmless: "--restart no --health-retries 0 --isolation default --disable-content-trust=true --publish-all=false";
}

#[test]
fn the_default_network_has_three_spellings() {
    for line in
        ["run --network bridge busybox", "run --net default busybox", "run --network name=bridge busybox"]
    {
        assert_eq!(command(line), command("run busybox"), "{line}");
    }
}

#[test]
fn ports_that_lead_nowhere_are_told() {
    let warning = |line: &str| match command(line) {
        Command::Run(run) => crate::options::warning(&run.container),
        other => panic!("{other:?}"),
    };
    let text = "Published ports are discarded when using host network mode";
    assert_eq!(warning("run --network host -p 80:80 busybox"), Some(text));
    assert!(warning("run --network none -P busybox").is_some());
    assert_eq!(warning("run --network host --expose 80 busybox"), None);
    assert_eq!(warning("run -p 80:80 busybox"), None);
}

#[test]
fn options_end_at_the_image() {
    let Command::Run(run) = command("run --rm busybox ls --rm -la -- -x") else { panic!("not run") };
    assert_eq!(run.container.image, "busybox");
    assert_eq!(run.container.command, ["ls", "--rm", "-la", "--", "-x"]);
    assert!(run.container.auto_remove);

    let Command::Run(run) = command("run -- busybox -x") else { panic!("not run") };
    assert_eq!((run.container.image.as_str(), run.container.command), ("busybox", vec!["-x".to_owned()]));

    let Command::Exec(exec) = command("exec -e A=1 web env -i") else { panic!("not exec") };
    assert_eq!((exec.container.as_str(), exec.command), ("web", vec!["env".to_owned(), "-i".to_owned()]));
    assert_eq!(exec.attach, Streams::OUTPUT);
}

#[test]
fn switches_read_as_in_docker() {
    for (line, removed) in [
        ("run busybox", false),
        ("run --rm busybox", true),
        ("run --rm=false busybox", false),
        ("run --rm=1 busybox", true),
        ("run --rm --rm=0 busybox", false),
        ("run --rm=0 --rm busybox", true),
    ] {
        let Command::Run(run) = command(line) else { panic!("not run") };
        assert_eq!(run.container.auto_remove, removed, "{line}");
    }
    let Command::Run(run) = command("run -dit=false --name=a1 --name b2 -m=10m busybox") else {
        panic!("not run")
    };
    let container = &run.container;
    assert!(run.detach && container.interactive && !container.tty);
    assert_eq!(container.name.as_deref(), Some("b2"));
    assert_eq!(container.resources.memory.limit, Some(10 << 20));
}

#[test]
fn values_may_begin_with_a_dash() {
    let line = "run --memory-swap -1 -e -x=1 --cpu-quota -1 --entrypoint -- busybox";
    let Command::Run(run) = command(line) else { panic!("not run") };
    assert_eq!(run.container.resources.memory.swap, Some(Limit::Unlimited));
    assert_eq!(run.container.resources.cpu.quota, Some(Limit::Unlimited));
    assert_eq!(run.container.env[0].name, "-x");
    assert_eq!(run.container.image, "busybox");
}

#[test]
fn streams_of_run_and_create() {
    for (line, expected) in [
        ("run busybox", Streams::OUTPUT),
        ("run -i busybox", Streams { stdin: true, ..Streams::OUTPUT }),
        ("run -d -i busybox", Streams::NONE),
        ("run -a stdin -a STDERR -i busybox", Streams { stdin: true, stdout: false, stderr: true }),
    ] {
        let Command::Run(run) = command(line) else { panic!("not run") };
        assert_eq!(run.container.attach, expected, "{line}");
    }
    let Command::Create { request: create, .. } = command("create -i busybox") else { panic!("not create") };
    assert!(create.attach.stdin && create.interactive);
}

#[test]
fn long_spellings_mean_the_short_ones() {
    for (long, short) in [
        ("container run busybox", "run busybox"),
        ("container create busybox", "create busybox"),
        ("container ls -a", "ps -a"),
        ("container list", "ps"),
        ("container rm a", "rm a"),
        ("image ls -q", "images -q"),
        ("image rm a", "rmi a"),
        ("image tag a b", "tag a b"),
        ("image history a", "history a"),
        ("system info", "info"),
        ("container port a 80", "port a 80/tcp"),
        ("network list", "network ls"),
        ("network remove a", "network rm a"),
        ("volume list", "volume ls"),
        ("volume remove a", "volume rm a"),
    ] {
        assert_eq!(command(long), command(short), "{long}");
    }
    assert_ne!(command("image inspect a"), command("inspect a"));
    assert_eq!(command("container inspect a"), command("inspect --type container a"));
}

#[test]
fn other_verbs() {
    let lines = [
        "start -ai --detach-keys ctrl-x web",
        "start a b",
        "stop -t 3 -s INT a b",
        "stop --time=-1 a",
        "kill a",
        "kill -s RTMIN+1 a",
        "pause a b",
        "stats",
        "container stats -a --no-stream --no-trunc --format json a b",
        "update --memory 64m --memory-swap -1 --memory-reservation 32m --cpus 1.5 -c 9 --cpuset-cpus 0 --cpuset-mems 0 --pids-limit 0 --blkio-weight 20 a b",
        "container update --cpu-period 100000 --cpu-quota -1 --kernel-memory 0 a",
        "restart -t 3 -s INT a b",
        "container restart a",
        "attach a",
        "attach --no-stdin --sig-proxy=false --detach-keys ctrl-a a",
        "container prune",
        "container prune -f --filter until=1h --filter label=a=b --filter label!=c",
        "top a",
        "top a -o 'pid,cmd -x' aux",
        "rename a b",
        "container unpause a",
        "rm -fv a b",
        "wait a",
        "exec -it -u root -w /x --privileged --env-file vars.env web sh",
        "exec -d web true",
        "logs -f -t -n 5 --since 5s --until 2026-01-02T00:00:00Z web",
        "logs web --tail all",
        "inspect -s --type image a b -f json",
        "image inspect --platform linux/arm64 a",
        "ps",
        "ps -aqs -n 3 --no-trunc -f name=/web -f label=a=b -f status=exited -f exited=1 -f ancestor=x -f since=y",
        "ps -l --format '{{json .}}'",
        "images",
        "images --digests -f dangling=true -f label=x -f before=y busybox:1*",
        "history --no-trunc -H=false busybox",
        "load -q -i a.tar",
        "import -c 'CMD [\"sh\"]' -m hello a.tar name:tag",
        "import -",
        "tag a b:c",
        "rmi -f --no-prune a b",
        "version --format json",
        "info",
        "doctor",
        "system audit --repair",
        "volume create -d local -o type=tmpfs -o o=size=1m --label a=b db",
        "volume create",
        "volume inspect -f json a b",
        "volume ls -q -f dangling=1 -f driver=local -f label=a=b -f name=d",
        "volume prune -af --filter label=a --filter label!=b",
        "volume rm -f a b",
        "network create web",
        "network create -d macvlan -o parent=eth0 --internal --ipv6 --ipv4 --label a=b --ipam-driver default --scope local --subnet 10.1.0.0/16,fd00::/64 --gateway 10.1.0.9 --ip-range 10.1.4.0/24 --aux-address router=10.1.0.2 web",
        "network ls -q --no-trunc -f driver=bridge -f id=a -f label=a=b -f name=w -f scope=local -f type=custom -f dangling=true",
        "network inspect -v -f json a b",
        "network rm -f a b",
        "network connect --alias a,b --alias c --ip 10.1.0.5 --ip6 fd00::5 --gw-priority 0 net web",
        "network disconnect -f net web",
        "network prune -f --filter label=a --filter label!=b --filter until=1h",
        "port web",
        "port --why web 53/udp",
        "inspect --type network a",
        "ps --format '{{.Names}} {{.Size}}' -f health=none -f is-task=0 -f isolation=default -f name=^/?web$",
        "ps -f network=net -f publish=80 -f expose=53-54/udp",
    ];
    let show = |line: &&str| format!("{line}\n  {:?}\n", command(line));
    insta::assert_snapshot!("other_verbs", lines.iter().map(show).collect::<String>());
    assert_eq!(
        command("stop a -t 0"),
        Command::Stop(StopRequest {
            containers: vec!["a".to_owned()],
            signal: None,
            timeout: Some(Timeout::After(std::time::Duration::ZERO)),
        })
    );
    let Command::Logs(logs) = command("logs -n -1 a") else { panic!("not logs") };
    assert_eq!(logs.tail, Tail::All);
    let Command::Run(run) = command("run --pid container:a busybox") else { panic!("not run") };
    assert_eq!(run.container.namespaces.pid, PidMode::Container("a".to_owned()));
}

#[test]
fn global_options() {
    let mut caller = surroundings();
    caller.vars.insert("CORACLE_ROOT", "/env/root");
    caller.vars.insert("CORACLE_RUN_ROOT", "/env/run");
    caller.vars.insert("CORACLE_CONFIG", "/env/config.toml");
    let global = |line: &str| parse(&split(line), &caller).unwrap().global;
    let from_env = Global {
        root: Some("/env/root".into()),
        run_root: Some("/env/run".into()),
        config_file: Some("/env/config.toml".into()),
        ..Global::default()
    };
    assert_eq!(global("ps"), from_env);
    assert_eq!(
        global("--root /a --run-root=/b --config-file /c -D ps"),
        Global {
            root: Some("/a".into()),
            run_root: Some("/b".into()),
            config_file: Some("/c".into()),
            debug: true,
            ..Global::default()
        }
    );
    caller.vars.insert("DOCKER_CONFIG", "/env/docker");
    let files = |line: &str| {
        let global = parse(&split(line), &caller).unwrap().global;
        (global.config_file.unwrap(), global.client_dir.unwrap())
    };
    assert_eq!(files("ps"), ("/env/config.toml".into(), "/env/docker".into()));
    assert_eq!(files("--config /d --config-file=/c ps"), ("/c".into(), "/d".into()));
    assert_eq!(read("ps").unwrap().global, Global::default());
}

#[test]
fn help_and_version() {
    let printed = |line: &str| match read(line) {
        Err(Exit::Print(text)) => text,
        other => panic!("{line}: {other:?}"),
    };
    let version = format!("coracle version {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(printed("--version"), version);
    assert_eq!(printed("-v"), version);
    insta::assert_snapshot!("help", printed("--help"));
    assert_eq!(printed(""), printed("help"));
    insta::assert_snapshot!("help_container", printed("container --help"));
    assert_eq!(printed("image"), printed("help image"));
    insta::assert_snapshot!("help_run", printed("run --help"));
    assert_eq!(printed("help run"), printed("run --help"));
    insta::assert_snapshot!("help_ps", printed("ps -h"));
    insta::assert_snapshot!("help_wait", printed("container wait --help"));
    assert_eq!(printed("run --rm --help busybox"), printed("run --help"));
}

//! RUN: how commands run, and what of it stays.

use super::{Site, holds};

#[test]
fn three_lines_make_an_image_that_runs() {
    let site = Site::new();
    let built =
        site.build("FROM busybox\nRUN echo hello > /greeting\nCMD [\"cat\", \"/greeting\"]", &[]).ok();
    assert!(built.text().starts_with("sha256:"), "{}", built.text());
    site.engine.run(&["run", "--rm", "it"]).prints("hello");
    // What the engine itself puts into a container is not in the image, and no container stays.
    assert_eq!(site.inside("ls -A /dev | grep -c pipes; hostname | grep -c buildkit; true"), "0\n0");
    assert_eq!(site.engine.run(&["ps", "--all", "--quiet"]).ok().text(), "");
    assert_eq!(site.engine.run(&["images", "--quiet"]).ok().text().lines().count(), 2);
}

#[test]
fn a_command_sees_the_variables_user_and_directory_of_its_place() {
    let site = Site::new();
    site.build(
        "FROM busybox\nARG A=1\nENV B=$A\nUSER 1000:1001\nWORKDIR /w\nSHELL [\"/bin/sh\", \"-e\", \"-c\"]\n\
         RUN echo \"$A $B $(pwd) $(id -u):$(id -g)\" > /tmp/seen\nENV A=2\nRUN echo \"$A\" >> /tmp/seen",
        &["--build-arg", "A=5"],
    )
    .ok();
    assert_eq!(site.inside("cat /tmp/seen"), "5 5 /w 1000:1001\n2");
    assert_eq!(site.inside("echo ${B} $(stat -c %u /w)"), "5 1000");
}

#[test]
fn a_command_is_confined_as_in_run() {
    let site = Site::new();
    site.build(
        "FROM busybox\nRUN test \"$(awk '{print $2}' /proc/self/uid_map)\" != 0\n\
         RUN ! mount -t tmpfs none /mnt\nRUN --network=none test \"$(ls /sys/class/net)\" = lo\n\
         RUN grep Seccomp: /proc/self/status | grep 2",
        &["--no-cache"],
    )
    .ok();
}

#[test]
fn heredocs_are_commands_scripts_and_input() {
    let site = Site::new();
    site.build(
        "FROM busybox\nRUN <<EOF\necho a > /a\necho b > /b\nEOF\n\
         RUN <<EOF\n#!/bin/busybox ash\necho $0 > /c\nEOF\nRUN cat <<-E > /d && tr a-z A-Z <<'F' > /e\n\tdee\n\tE\neff\nF\n\
         COPY <<one <<\"two\" /f/\n$PATH\none\n$PATH\ntwo",
        &[],
    )
    .ok();
    assert_eq!(site.inside("cat /a /b /c /d /e"), "a\nb\n/dev/pipes/EOF\ndee\nEFF");
    assert_eq!(site.inside("grep -c / /f/one; cat /f/two"), "1\n$PATH");
}

#[test]
fn mounts_are_there_while_a_command_runs_and_leave_nothing() {
    let site = Site::new();
    site.file("dir/file", "in the context\n").file("dir/ignored", "x").file(".dockerignore", "**/ignored\n");
    site.build(
        "FROM busybox AS other\nRUN mkdir -p /o && echo other > /o/file\nFROM busybox\n\
         RUN --mount=target=/new/ctx,source=dir cp /new/ctx/file /kept && ls /new/ctx > /listed\n\
         RUN --mount=target=/new/ctx,rw echo x > /new/ctx/written\n\
         RUN --mount=from=other,source=/o,target=/deep/er/o cat /deep/er/o/file > /other\n\
         RUN --mount=from=busybox,source=/bin/busybox,target=/tool/busybox /tool/busybox true\n\
         RUN --mount=type=tmpfs,target=/scratch,size=1m echo x > /scratch/y && df /scratch | grep -q 1024\n\
         RUN --mount=target=/ro,source=dir ! touch /ro/x",
        &[],
    )
    .ok();
    assert_eq!(site.inside("cat /kept /listed /other"), "in the context\nfile\nother");
    assert_eq!(site.inside("ls -d /new /deep /scratch /tool /ro 2>/dev/null; true"), "");
    assert!(!site.context.join("written").exists(), "a mount that may be written is a copy");
}

#[test]
fn caches_stay_between_builds_and_are_no_part_of_the_image() {
    let site = Site::new();
    let text = |word: &str| {
        format!(
            "FROM busybox\nRUN --mount=type=cache,id=c,target=/c,sharing=locked,mode=0711 echo {word} >> /c/f; cp /c/f /seen; stat -c %a /c >> /seen"
        )
    };
    site.build(&text("one"), &[]).ok();
    site.build(&text("two"), &[]).ok();
    assert_eq!(site.inside("cat /seen; ls /c 2>/dev/null; true"), "one\ntwo\n711");
    site.engine.run(&["build", "cache", "ls"]).ok().stdout_has("cache mount c");
    site.engine.run(&["build", "cache", "prune", "--force"]).ok().stdout_has("cache mount c");
    site.build(&text("three"), &[]).ok();
    assert_eq!(site.inside("cat /seen"), "three\n711");
}

#[test]
fn locked_caches_are_used_one_after_the_other() {
    let site = Site::new();
    let stage = |name: &str| {
        format!(
            "FROM busybox AS {name}\nRUN --mount=type=cache,id=l,target=/c,sharing=locked \
             mkdir /c/busy && sleep 0.3 && rmdir /c/busy && touch /{name}\n"
        )
    };
    let text = format!("{}{}FROM busybox\nCOPY --from=a /a /\nCOPY --from=b /b /\n", stage("a"), stage("b"));
    site.build(&text, &[]).ok();
}

/// The record of the step's container had it.
#[test]
fn a_secret_in_a_variable_is_on_no_disk_while_its_step_runs() {
    let site = Site::new();
    let secret = format!("variable-{}", std::process::id());
    site.file("Dockerfile", "FROM busybox\nRUN --mount=type=secret,id=s,env=IT test ${#IT} = $(cat /proc/1/environ | tr '\\0' '\\n' | sed -n s/^IT=//p | tr -d '\\n' | wc -c) && sleep 2");
    let running = site.command(&["--secret", "id=s,env=OF_CALLER"]).env("OF_CALLER", &secret).spawn();
    tests::eventually("the step runs", || !site.engine.run(&["ps", "-q"]).ok().text().is_empty());
    assert_eq!(holds(&site.engine.root(), &secret), "");
    assert_eq!(holds(&site.engine.run_root(), &secret), "");
    let container = site.engine.run(&["ps", "-q"]).ok().text().to_owned();
    assert!(!site.engine.inspect(&container, "{{.Config.Env}}").contains(&secret));
    running.wait().ok();
}

/// Searched in all that the engine keeps: layers, configurations, records, caches.
#[test]
fn a_secret_is_seen_by_its_step_and_nowhere_after() {
    let site = Site::new();
    let secret = format!("secret-{}", std::process::id());
    let file = site.engine.base().join("secret-file");
    std::fs::write(&file, &secret).unwrap();
    let flag = format!("id=token,src={}", file.display());
    site.file(
        "Dockerfile",
        "FROM busybox\nRUN --mount=type=secret,id=token,required --mount=type=secret,id=env,env=VALUE \
         test $(wc -c < /run/secrets/token) = ${#VALUE} && stat -c %a /run/secrets/token > /mode\n\
         RUN ! test -e /run/secrets/token\n\
         RUN --mount=type=secret,id=token,target=/k,mode=0444,uid=5 stat -c '%a %u' /k >> /mode\n\
         RUN --mount=type=secret,id=nobody-gave-it true",
    );
    let built = site
        .command(&["--secret", &flag, "--secret", "id=env,env=OF_CALLER"])
        .env("OF_CALLER", &secret)
        .run()
        .ok();
    assert!(!built.stdout.contains(&secret) && !built.stderr.contains(&secret));
    assert_eq!(site.inside("cat /mode; ls -d /run/secrets /k 2>/dev/null; true"), "400\n444 5");
    assert_eq!(holds(&site.engine.root(), &secret), "");
    assert_eq!(holds(&site.engine.run_root(), &secret), "");
    site.build("FROM busybox\nRUN --mount=type=secret,id=absent,required true", &[])
        .fails_with(1)
        .error_names(&["secret `absent` was not given", "--secret id=absent,src=FILE"]);
}

#[test]
fn proxies_are_seen_and_not_kept() {
    let site = Site::new();
    let proxy = "http://user:hunter2@proxy:3128";
    site.build(
        "FROM busybox\nRUN test \"$http_proxy\" = \"$HTTP_PROXY\" && test -n \"$http_proxy\"",
        &["--build-arg", &format!("http_proxy={proxy}")],
    )
    .ok();
    assert_eq!(holds(&site.engine.root(), "hunter2"), "");
}

#[test]
fn onbuild_triggers_run_where_they_are_built_on() {
    let site = Site::new();
    site.file("app", "app\n");
    site.build("FROM busybox\nONBUILD COPY app /app\nONBUILD RUN cat /app > /copied", &[]).ok();
    site.engine.run(&["tag", "it", "base"]).ok();
    site.build("FROM base\nRUN cat /copied", &[]).ok();
    assert_eq!(site.inside("cat /copied"), "app");
    assert_eq!(site.engine.inspect("it", "{{len .Config.OnBuild}}"), "0");
}

#[test]
fn names_of_hosts_and_limits_reach_the_steps() {
    let site = Site::new();
    site.build(
        "FROM busybox\nRUN grep 1.2.3.4 /etc/hosts | grep far && ulimit -n | grep 77",
        &["--add-host", "far:1.2.3.4", "--ulimit", "nofile=77", "--network", "none"],
    )
    .ok();
}

/// The agent answers that it knows no key; whoever asks for more than that is refused before it hears of it.
#[test]
fn an_agent_of_ssh_is_reached_by_its_step_alone() {
    let site = Site::new();
    site.engine.image("debian");
    let socket = site.engine.base().join("agent.sock");
    let agent = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || {
        for client in agent.incoming() {
            let mut client = client.unwrap();
            let mut request = [0; 5];
            while std::io::Read::read_exact(&mut client, &mut request).is_ok() {
                std::io::Write::write_all(&mut client, &[0, 0, 0, 5, 12, 0, 0, 0, 0]).unwrap();
            }
        }
    });
    site.file(
        "ask.pl",
        "use IO::Socket::UNIX; my $s = IO::Socket::UNIX->new($ENV{SSH_AUTH_SOCK}) or die $!;\n\
         for my $type (11, 17) { print $s pack('NC', 1, $type); $s->flush; read($s, my $l, 4); read($s, my $m, unpack('N', $l)); print unpack('C', $m), ' '; }\n",
    );
    let text = "FROM debian\nRUN --mount=type=ssh,required --mount=target=/x perl /x/ask.pl > /seen\n\
                RUN test -z \"$SSH_AUTH_SOCK\" && ! test -e /run/buildkit\n\
                RUN --mount=type=ssh,id=other,target=/s,mode=0666,uid=7 test -z \"$SSH_AUTH_SOCK\"\n\
                USER 7\nRUN --mount=type=ssh,uid=7 --mount=target=/x perl /x/ask.pl";
    let socket = socket.to_str().unwrap();
    site.file("Dockerfile", text);
    site.command(&["--ssh", "default"]).env("SSH_AUTH_SOCK", socket).run().ok().stderr_has(" 12 5 \n");
    assert_eq!(site.inside("cat /seen; ls -d /run/buildkit 2>/dev/null; true"), "12 5");
    site.build(text, &["--no-cache", "--ssh", &format!("default={socket}")]).ok();
    site.build(text, &["--no-cache"])
        .fails_with(1)
        .error_names(&["agent of ssh `default` was not given", "--ssh default"]);
    let wrong = format!("default={}", site.context.join("Dockerfile").display());
    site.build(text, &["--no-cache", "--ssh", &wrong])
        .fails_with(1)
        .error_names(&["cannot reach an agent", "ssh-add"]);
}

#[test]
fn the_files_of_a_cache_go_to_another_machine() {
    let text = |script: &str| format!("FROM busybox\nRUN --mount=type=cache,id=c,target=/c {script}");
    let site = Site::new();
    site.build(
        &text("mkdir /c/d && echo kept > /c/d/f && chown 7:8 /c/d/f && chmod 640 /c/d/f && ln -s f /c/d/l"),
        &[],
    )
    .ok();
    let archive = site.engine.base().join("c.tar");
    site.engine.run(&["build", "cache", "export", "c", "--output", archive.to_str().unwrap()]).ok();
    site.engine
        .run(&["build", "cache", "export", "d"])
        .fails_with(1)
        .error_names(&["No such cache mount: d", "cache ls"]);

    let other = Site::new();
    other.build(&text("echo old > /c/old"), &[]).ok();
    other.engine.run(&["build", "cache", "import", "c", "--input", archive.to_str().unwrap()]).ok();
    other.build(&text("(ls /c; stat -c '%a %u:%g' /c/d/f; cat /c/d/l; echo new > /c/new) > /seen"), &[]).ok();
    assert_eq!(other.inside("cat /seen"), "d\n640 7:8\nkept");
    let piped = std::fs::read(&archive).unwrap();
    other.engine.command(&["build", "cache", "import", "fresh"]).stdin(&piped).run().ok();
    other.engine.run(&["build", "cache", "ls"]).ok().stdout_has("cache mount fresh");
    other
        .engine
        .command(&["build", "cache", "import", "fresh"])
        .stdin("no archive")
        .run()
        .fails_with(1)
        .error_names(&["cannot import cache mount `fresh`"]);
}

//! What differs between arrangements of cgroups and between kernels, in a virtual machine with cgroup v2 alone and
//! Linux 6.1: limits, counters, lives, as root and as an ordinary user.

use tests::Engine;
use xtask::guest::{Selection, test};

#[test]
fn cgroup_v2_alone_and_an_older_kernel() {
    // The emulator would do other machines too; the kernel's package and the console have other names there.
    if cfg!(not(target_arch = "x86_64")) {
        return;
    }
    let selection = Selection { words: Vec::new(), long: false, watch: |_| () };
    let outcome = test(Engine::new().binary(), &selection).unwrap_or_else(|error| panic!("{error:#}"));
    assert_eq!(outcome.code, 0, "in the guest:\n{}", outcome.console.join("\n"));
    // A guest that ran nothing would not say so by its code.
    let run = outcome.console.iter().filter(|line| line.starts_with("ok ")).count();
    assert!(run > 50, "only {run} tests ran in the guest:\n{}", outcome.console.join("\n"));
}

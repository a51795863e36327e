//! Firewalls of others beside ours.

use network::Protocol::Tcp;

use crate::world::{Container, Network, World, port};

struct Stage {
    world: World,
    web: Container,
    network: Network,
}

impl Stage {
    fn new() -> Self {
        let world = World::new();
        let network = Network::new("coracle0", 1, true);
        let web = world.container("web", &[&network], 2, &[port(Tcp, "0.0.0.0:8080", "10.88.1.2:80")]);
        web.netns.serve_tcp("[::]:80");
        world.neighbour.serve_tcp("[::]:80");
        Self { world, web, network }
    }

    fn passes(&self) -> bool {
        self.world.neighbour.ask(Tcp, "192.0.2.1:8080").is_some()
            && self.web.netns.ask(Tcp, "192.0.2.2:80").is_some()
    }

    fn stranger(&self, script: &str, chain: &str) {
        self.world.host.sh(script);
        self.world.neighbour.asks_in_vain(Tcp, "192.0.2.1:8080");
        let faults = self.world.fabric.faults().unwrap();
        assert!(faults[0].what.contains(chain), "{faults:?}");
        for _ in 0..2 {
            self.world.fabric.restore().unwrap();
            self.world.fabric.ensure(&self.network.rules).unwrap();
        }
        assert!(self.passes(), "{script}");
        assert_eq!(self.world.fabric.faults().unwrap(), []);
        // Nothing more than that is let in.
        self.world.neighbour.asks_in_vain(Tcp, "10.88.1.2:80");
        let explained = self.world.fabric.explain(&self.web.ports[0]).unwrap().join("\n");
        assert!(explained.contains("our two rules at its top"), "{explained}");
    }
}

#[test]
fn a_forward_chain_that_drops_lets_us_through() {
    let stage = Stage::new();
    stage.stranger("iptables-nft -P FORWARD DROP", "FORWARD");
    let rules = stage.world.host.sh("iptables-nft -S FORWARD");
    let ours = |way: &str| format!("-A FORWARD -{way} coracle+ -m comment --comment \"coracle: ");
    assert_eq!(rules.matches(&ours("i")).count(), 1, "{rules}");
    assert_eq!(rules.matches(&ours("o")).count(), 1, "{rules}");
    // Written anew by its own tool, which knows no comments of ours.
    stage.world.host.sh("iptables-nft-save > /dev/shm/saved.$$; iptables-nft -F; iptables-nft-restore < /dev/shm/saved.$$; rm /dev/shm/saved.$$");
    stage.world.fabric.restore().unwrap();
    let rules = stage.world.host.sh("iptables-nft -S FORWARD");
    assert_eq!(rules.matches("coracle+").count(), 2, "{rules}");
    let Stage { world, web, network } = stage;
    world.disconnect(web);
    world.fabric.remove(&network.rules).unwrap();
    assert!(!world.ruleset().contains("coracle"), "{}", world.ruleset());
}

#[test]
fn docker_leaves_a_place_for_us() {
    let stage = Stage::new();
    stage.stranger(
        "iptables-nft -N DOCKER-USER; iptables-nft -A DOCKER-USER -j RETURN
         iptables-nft -I FORWARD -j DOCKER-USER; iptables-nft -P FORWARD DROP",
        "DOCKER-USER",
    );
    let rules = stage.world.host.sh("iptables-nft -S");
    assert_eq!(rules.matches("-A DOCKER-USER -i coracle+").count(), 1, "{rules}");
    assert!(!rules.contains("-A FORWARD -i coracle+"), "{rules}");
}

#[test]
fn firewalld_lets_us_through() {
    let stage = Stage::new();
    stage.stranger(
        "nft add table inet firewalld
         nft 'add chain inet firewalld filter_FORWARD { type filter hook forward priority filter + 10; policy accept; }'
         nft add rule inet firewalld filter_FORWARD ct state established,related accept
         nft add rule inet firewalld filter_FORWARD reject with icmpx admin-prohibited",
        "filter_FORWARD",
    );
    assert_eq!(stage.world.ruleset().matches("\"coracle*\"").count(), 2);
}

#[test]
fn chains_of_people_are_named_and_left_alone() {
    let stage = Stage::new();
    stage.world.host.sh("nft add table inet mine
         nft 'add chain inet mine forward { type filter hook forward priority 0; policy drop; }'");
    stage.world.fabric.restore().unwrap();
    assert!(!stage.world.host.sh("nft list table inet mine").contains("coracle"));
    let faults = stage.world.fabric.faults().unwrap();
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(faults[0].what.contains("chain `forward` of firewall table `inet mine`"), "{faults:?}");
    stage.world.host.sh(faults[0].remedy.as_ref().unwrap());
    assert!(stage.passes());
}

//! A container that speaks as somebody else is not heard. Each test tries the same without the table first: so it is
//! known that something was sent, and what keeps it away.

use std::net::{Ipv6Addr, SocketAddrV6, UdpSocket};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, ipproto, sendto, socket};

use crate::world::{Container, Network, World};

/// A container that lies, and one that counts what it hears.
struct Stage {
    world: World,
    liar: Container,
    hearer: Container,
}

impl Stage {
    fn new() -> Self {
        let world = World::new();
        let network = Network::new("coracle0", 1, true);
        let liar = world.container("liar", &[&network], 2, &[]);
        let hearer = world.container("hearer", &[&network], 3, &[]);
        Self { world, liar, hearer }
    }

    /// Counts frames that fit, while something is done.
    fn hears(&self, what: &str, lie: &dyn Fn(&Container)) -> bool {
        self.hearer.netns.sh(&format!(
            "nft add table netdev t
             nft 'add chain netdev t c {{ type filter hook ingress device eth0 priority 0; }}'
             nft 'add rule netdev t c {what} counter'"
        ));
        lie(&self.liar);
        let started = Instant::now();
        let heard = loop {
            let heard = !self.hearer.netns.sh("nft list table netdev t").contains("packets 0 ");
            if heard || started.elapsed() > Duration::from_millis(150) {
                break heard;
            }
        };
        self.hearer.netns.sh("nft delete table netdev t");
        heard
    }

    /// Checks that a lie is heard where nothing keeps it away, and only there.
    fn never_hears(&self, what: &str, lie: &dyn Fn(&Container)) {
        assert!(!self.hears(what, lie), "{what} must not be heard");
        let ruleset = self.world.ruleset();
        let table = ruleset.lines().find_map(|line| line.strip_prefix("table bridge ")).unwrap();
        let table = table.trim_end_matches(" {");
        self.world.host.sh(&format!("nft delete table bridge {table}"));
        assert!(self.hears(what, lie), "{what} was not even sent");
        self.world.fabric.restore().unwrap();
        assert!(!self.hears(what, lie), "{what} must not be heard again");
    }
}

/// Sends a message of ICMPv6 to all nodes; the kernel fills in its checksum.
fn icmp6(container: &Container, message: &[u8]) {
    container.netns.run(|| {
        let raw = socket(AddressFamily::INET6, SocketType::RAW, Some(ipproto::ICMPV6)).unwrap();
        rustix::net::sockopt::set_ipv6_multicast_hops(&raw, 255).unwrap();
        let index = rustix::net::netdevice::name_to_index(&raw, "eth0").unwrap();
        let all: Ipv6Addr = "ff02::1".parse().unwrap();
        sendto(&raw, message, SendFlags::empty(), &SocketAddrV6::new(all, 0, 0, index)).unwrap();
    });
}

#[test]
fn nobody_has_the_hardware_address_of_another() {
    let stage = Stage::new();
    stage.never_hears("ether saddr 02:42:0a:58:01:63", &|liar| {
        liar.netns.sh("ip link set eth0 address 02:42:0a:58:01:63");
        liar.netns.sh("ip neigh replace 10.88.1.3 lladdr 02:42:0a:58:01:03 dev eth0");
        liar.netns.run(|| UdpSocket::bind("10.88.1.2:0").unwrap().send_to(b"x", "10.88.1.3:9").unwrap());
        liar.netns.sh("ip link set eth0 address 02:42:0a:58:01:02");
    });
}

#[test]
fn nobody_has_the_address_of_another() {
    let stage = Stage::new();
    let say = |from: &'static str, to: &'static str, mac: &'static str| {
        move |liar: &Container| {
            liar.netns.sh(&format!(
                "ip addr add {from} dev eth0 nodad; ip neigh replace {to} lladdr {mac} dev eth0"
            ));
            liar.netns.run(|| {
                let from = from.split('/').next().unwrap();
                let bound = if from.contains(':') { format!("[{from}]:0") } else { format!("{from}:0") };
                let to = if to.contains(':') { format!("[{to}]:9") } else { format!("{to}:9") };
                UdpSocket::bind(bound).unwrap().send_to(b"x", to).unwrap();
            });
            liar.netns.sh(&format!("ip addr del {from} dev eth0"));
        }
    };
    let mac = "02:42:0a:58:01:03";
    stage.never_hears("udp dport 9 ip saddr 10.88.1.99", &say("10.88.1.99/32", "10.88.1.3", mac));
    stage.never_hears("udp dport 9 ip saddr 192.0.2.77", &say("192.0.2.77/32", "10.88.1.3", mac));
    let other = say("fd00:88:1::99/128", "fd00:88:1::3", mac);
    stage.never_hears("ip6 saddr fd00:88:1::99 udp dport 9", &other);
    let honest = |liar: &Container| {
        liar.netns.run(|| UdpSocket::bind("10.88.1.2:0").unwrap().send_to(b"x", "10.88.1.3:9").unwrap());
    };
    assert!(stage.hears("udp dport 9 ip saddr 10.88.1.2", &honest));
}

#[test]
fn nobody_answers_for_another() {
    let stage = Stage::new();
    // A question from there, which hearers take as an answer too.
    stage.never_hears("arp saddr ip 10.88.1.1", &|liar| {
        liar.netns.sh("ip addr add 10.88.1.1/32 dev eth0");
        liar.netns.run(|| UdpSocket::bind("10.88.1.1:0").unwrap().send_to(b"x", "10.88.1.77:9").unwrap());
        liar.netns.sh("ip addr del 10.88.1.1/32 dev eth0; ip neigh flush dev eth0");
    });
    let gateway: Ipv6Addr = "fd00:88:1::1".parse().unwrap();
    stage.never_hears("icmpv6 type nd-neighbor-advert", &|liar| {
        let mut advertisement = vec![136, 0, 0, 0, 0x20, 0, 0, 0];
        advertisement.extend(gateway.octets());
        // The hardware address that goes with it.
        advertisement.extend([2, 1, 2, 0x42, 0x0a, 0x58, 1, 2]);
        icmp6(liar, &advertisement);
    });
}

#[test]
fn nobody_is_a_router_or_gives_addresses() {
    let stage = Stage::new();
    let mut advertisement = vec![134, 0, 0, 0, 64, 0, 0x07, 0x08, 0, 0, 0, 0, 0, 0, 0, 0];
    // A prefix to make addresses of.
    advertisement.extend([3, 4, 64, 0xc0, 0, 0, 0x0e, 0x10, 0, 0, 0x0e, 0x10, 0, 0, 0, 0]);
    advertisement.extend("2001:db8:bad::".parse::<Ipv6Addr>().unwrap().octets());
    stage.never_hears("icmpv6 type nd-router-advert", &|liar| icmp6(liar, &advertisement));
    // CVE-2020-13401: the host itself, which hears it with the table gone too.
    assert!(!stage.world.host.sh("ip -6 route; ip -6 addr").contains("2001:db8:bad"));
    stage.never_hears("icmpv6 type nd-redirect", &|liar| icmp6(liar, &[&[137; 1][..], &[0; 39]].concat()));
    for (what, from, to) in [
        ("udp sport 67", "0.0.0.0:67", "10.88.1.255:68"),
        ("udp sport 547", "[::]:547", "[fd00:88:1::3]:546"),
    ] {
        stage.never_hears(what, &|liar| {
            liar.netns.run(|| {
                let server = UdpSocket::bind(from).unwrap();
                server.set_broadcast(true).unwrap();
                server.send_to(b"x", to).unwrap();
            });
        });
    }
}

#[test]
fn nothing_but_ip_and_arp_is_spoken() {
    let stage = Stage::new();
    // A bridge inside that takes part in its spanning tree.
    stage.never_hears("ether daddr 01:80:c2:00:00:00", &|liar| {
        liar.netns.sh(
            "ip link add br9 address 02:42:0a:58:01:02 type bridge stp_state 1 hello_time 100; ip link set eth0 master br9
             ip link set br9 up; sleep 1.1; ip link del br9",
        );
    });
    // Duplicate address detection still works: it is asked for by nobody in particular.
    stage.liar.netns.sh("sysctl -qw net.ipv6.conf.eth0.router_solicitation_delay=0");
    assert!(stage.hears("ip6 saddr :: icmpv6 type nd-neighbor-solicit", &|liar| {
        liar.netns.sh("ip addr add fd00:88:1::2/128 dev eth0 2>/dev/null || true");
        liar.netns
            .sh("ip addr add fd00:88:1::77/128 dev eth0; sleep 0.1; ip addr del fd00:88:1::77/128 dev eth0");
    }));
    // An endpoint without IPv6 speaks none, whatever its root switches on.
    let plain = Network::new("coracle-plain00", 2, false);
    let liar = stage.world.container("plain", &[&plain], 2, &[]);
    let hearer = stage.world.container("plain2", &[&plain], 3, &[]);
    hearer.netns.sh("sysctl -qw net.ipv6.conf.eth0.disable_ipv6=0");
    liar.netns.sh("sysctl -qw net.ipv6.conf.eth0.disable_ipv6=0");
    let socket = hearer.netns.run(|| UdpSocket::bind("[::]:9").unwrap());
    liar.netns.run(|| {
        let index = liar.netns.sh("cat /sys/class/net/eth0/ifindex 2>/dev/null || echo 2");
        let index: u32 = index.trim().parse().unwrap_or(2);
        let all: Ipv6Addr = "ff02::1".parse().unwrap();
        let sender = UdpSocket::bind("[::]:0").unwrap();
        let _ = sender.send_to(b"x", SocketAddrV6::new(all, 9, 0, index));
    });
    std::thread::sleep(Duration::from_millis(100));
    assert!(rustix::net::recv(&socket, &mut [0; 8], RecvFlags::DONTWAIT).is_err());
}

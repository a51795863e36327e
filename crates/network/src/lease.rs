//! Addresses: claimed one by one, each by one container, whoever else claims at the same time.

use std::net::IpAddr;

use store::Durability;
use sys::Dir;

use crate::Cidr;
use crate::error::{Error, Result};
use crate::state::{State, ensure};

/// One subnet that addresses are given out of.
#[derive(Debug, Clone)]
pub struct Pool<'a> {
    /// Name of the network, for messages.
    pub network: &'a str,
    pub network_id: &'a str,
    pub subnet: Cidr,
    /// Addresses are chosen out of this part only; one that is asked for may lie outside.
    pub range: Option<Cidr>,
    /// The gateway and others that nobody gets.
    pub reserved: &'a [IpAddr],
}

/// How many addresses in a row are tried before those that are held are listed.
const TRIES: u128 = 64;

impl Pool<'_> {
    /// Claims the address asked for, or the next free one after that given last.
    pub fn claim(&self, state: &State, wanted: Option<IpAddr>, owner: &str) -> Result<Cidr> {
        let directory = ensure(&state.network(self.network_id).join("addresses"))?;
        let address = match wanted {
            Some(address) => self.claim_wanted(&directory, address, owner)?,
            None => self.claim_next(state, &directory, owner)?,
        };
        Ok(Cidr { address, prefix: self.subnet.prefix })
    }

    fn claim_wanted(&self, directory: &Dir, address: IpAddr, owner: &str) -> Result<IpAddr> {
        let refused = |why: String| Error::AddressRefused { address, network: self.network.to_owned(), why };
        match self.subnet.offset_of(address) {
            None => return Err(refused(format!("its subnet is {}", self.subnet.network()))),
            Some(offset) if !self.is_host(offset) => {
                return Err(refused("it stands for the network as a whole".into()));
            }
            Some(_) if self.reserved.contains(&address) => {
                return Err(refused("it is the gateway's or reserved".into()));
            }
            Some(_) => {}
        }
        match store::claim(directory, &address.to_string(), owner, Durability::Volatile) {
            Ok(()) => Ok(address),
            Err(store::Error::Taken { owner, .. }) => Err(Error::AddressTaken { address, owner }),
            Err(error) => Err(error.into()),
        }
    }

    /// Goes on from the address given last, so that one that was just given back is not given again at once: for a
    /// moment neighbours still know it.
    fn claim_next(&self, state: &State, directory: &Dir, owner: &str) -> Result<IpAddr> {
        let network = Dir::open(state.network(self.network_id))?;
        let hint = if self.subnet.is_ipv4() { "next4" } else { "next6" };
        let span = self.range.map_or(self.subnet, |range| range).network();
        let start = read_hint(&network, hint);
        let mut held = None;
        for step in 0..span.size().min(1 << 24) {
            let offset = (start + 1 + step) % span.size();
            let address = span.at(offset);
            let usable = self.subnet.offset_of(address).is_some_and(|offset| self.is_host(offset));
            if !usable || self.reserved.contains(&address) {
                continue;
            }
            if step == TRIES {
                held = Some(held_addresses(directory)?);
            }
            if held
                .as_ref()
                .is_some_and(|held: &std::collections::HashSet<String>| held.contains(&address.to_string()))
            {
                continue;
            }
            if take(directory, address, owner)? {
                let text = offset.to_string();
                // Only a hint: of several at once any may win.
                store::write_atomic(&network, hint, text.as_bytes(), Durability::Volatile)?;
                return Ok(address);
            }
        }
        Err(Error::Exhausted { network: self.network.to_owned(), subnet: span.to_string() })
    }

    /// Whether the address at an offset may be a host's: the first and, of IPv4, the last stand for all (RFC 1122,
    /// section 3.2.1.3; RFC 4291, section 2.6.1). Networks of two or fewer have no such (RFC 3021).
    fn is_host(&self, offset: u128) -> bool {
        let size = self.subnet.size();
        size <= 2 || (offset != 0 && !(self.subnet.is_ipv4() && offset == size - 1))
    }
}

/// Claims an address if it is free; one that the same owner holds already is not.
fn take(directory: &Dir, address: IpAddr, owner: &str) -> Result<bool> {
    let name = address.to_string();
    match rustix::fs::symlinkat(owner, directory, &name) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::EXIST) => Ok(false),
        Err(errno) => Err(sys::Error::new(format!("cannot claim address {name}"), errno).into()),
    }
}

fn held_addresses(directory: &Dir) -> Result<std::collections::HashSet<String>> {
    Ok(store::claims(directory)?.into_iter().map(|claim| claim.name).collect())
}

fn read_hint(network: &Dir, name: &str) -> u128 {
    let bytes = store::read(network, name).unwrap_or_default();
    String::from_utf8(bytes).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::net::IpAddr;
    use std::sync::Mutex;

    use super::Pool;
    use crate::error::Error;
    use crate::state::State;

    fn pool<'a>(subnet: &str, range: Option<&str>, reserved: &'a [IpAddr]) -> Pool<'a> {
        Pool {
            network: "net",
            network_id: "n1",
            subnet: subnet.parse().unwrap(),
            range: range.map(|range| range.parse().unwrap()),
            reserved,
        }
    }

    #[test]
    fn addresses_are_given_in_order_and_not_again_at_once() {
        let temp = tempfile::tempdir().unwrap();
        let state = State::new(temp.path());
        let reserved = ["10.1.2.1".parse().unwrap()];
        let pool = pool("10.1.2.0/29", None, &reserved);
        let next = |owner: &str| pool.claim(&state, None, owner).map(|cidr| cidr.to_string());
        assert_eq!(next("a").unwrap(), "10.1.2.2/29");
        assert_eq!(next("b").unwrap(), "10.1.2.3/29");
        let directory = sys::Dir::open(state.network("n1").join("addresses")).unwrap();
        store::release(&directory, "10.1.2.3", "b", store::Durability::Volatile).unwrap();
        let rest: Vec<String> = (0..4).map(|_| next("c").unwrap()).collect();
        assert_eq!(rest, ["10.1.2.4/29", "10.1.2.5/29", "10.1.2.6/29", "10.1.2.3/29"]);
        assert!(matches!(next("d"), Err(Error::Exhausted { .. })));
    }

    #[test]
    fn an_address_that_is_asked_for_is_given_or_the_reason_told() {
        let temp = tempfile::tempdir().unwrap();
        let state = State::new(temp.path());
        let reserved = ["10.1.2.1".parse().unwrap()];
        let pool = pool("10.1.2.0/24", Some("10.1.2.128/25"), &reserved);
        let claim = |text: &str| pool.claim(&state, Some(text.parse().unwrap()), "a");
        assert_eq!(claim("10.1.2.9").unwrap().to_string(), "10.1.2.9/24");
        for refused in ["10.1.3.9", "10.1.2.0", "10.1.2.255", "10.1.2.1", "fd00::1"] {
            assert!(matches!(claim(refused), Err(Error::AddressRefused { .. })), "{refused}");
        }
        let taken = pool.claim(&state, Some("10.1.2.9".parse().unwrap()), "b").unwrap_err();
        assert_eq!(taken.to_string(), "address 10.1.2.9 is already in use by container `a`");
        assert_eq!(pool.claim(&state, None, "b").unwrap().to_string(), "10.1.2.129/24");
    }

    #[test]
    fn many_at_once_get_an_address_each() {
        let temp = tempfile::tempdir().unwrap();
        let state = State::new(temp.path());
        let given = Mutex::new(HashSet::new());
        std::thread::scope(|threads| {
            for thread in 0..8 {
                let (state, given) = (&state, &given);
                threads.spawn(move || {
                    let pool = pool("10.1.0.0/16", None, &[]);
                    for n in 0..50 {
                        let address = pool.claim(state, None, &format!("{thread}-{n}")).unwrap();
                        assert!(given.lock().unwrap().insert(address), "{address} was given twice");
                    }
                });
            }
        });
        assert_eq!(given.lock().unwrap().len(), 400);
    }
}

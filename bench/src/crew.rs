//! Clients that call at the same time, and what their calls took.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::latency::{Latencies, Summary};

/// Why a call failed, for people.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// Calls that each client makes before it is timed.
const WARM_UP_CALLS: u64 = 50;
/// And for how long at most, as a share of the time that is measured.
const WARM_UP_SHARE: u32 = 5;

/// What a call is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum What {
    /// A request and its answer.
    Rpc,
    /// A message without an answer, as fast as the receiver takes them.
    OneWay,
}

/// What to measure.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Load {
    /// What each client does.
    pub what: What,
    /// Bytes of each request, beside whatever head it has.
    pub size: u64,
    /// Rights of each request.
    pub rights: u32,
    /// Clients at the same time, each a thread with a connection of its own.
    pub clients: u32,
    /// For how long.
    pub within_ms: u64,
}

/// What a load came to.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Figures {
    /// How long single calls took; for one-way messages, how long until the sender could go on.
    pub took: Summary,
    /// Calls of all clients together, in a second.
    pub per_second: f64,
}

/// One client of one system.
pub trait Caller: Send {
    /// Sends a request of `load.size` bytes and `load.rights` rights, and checks the answer.
    fn call(&mut self, load: &Load) -> Result<(), Error>;

    /// Sends a message that is not answered.
    ///
    /// Conditions: a [`Caller::call`] after it is answered after its receiver had it.
    fn post(&mut self, load: &Load) -> Result<(), Error> {
        let _ = load;
        Err("this system has no one-way messages here".into())
    }

    /// Gives up what belongs to the calling thread, which ends.
    fn leave(&mut self) {}
}

/// Clients of a system, kept from load to load.
pub struct Crew<M> {
    make: M,
    callers: Vec<Box<dyn Caller>>,
}

impl<M: FnMut() -> Result<Box<dyn Caller>, Error>> Crew<M> {
    /// Nobody yet; `make` connects one client.
    pub fn new(make: M) -> Crew<M> {
        Crew { make, callers: Vec::new() }
    }

    /// Has as many clients as the load wants call at once, for as long as it wants.
    ///
    /// Errors: the first of any client; the others end within the same time.
    pub fn run(&mut self, load: &Load) -> Result<Figures, Error> {
        let clients = load.clients as usize;
        while self.callers.len() < clients {
            self.callers.push((self.make)()?);
        }
        let begin = Barrier::new(clients);
        let ended: Vec<Result<Ended, Error>> = std::thread::scope(|scope| {
            let threads = self.callers[..clients].iter_mut().map(|caller| {
                let begin = &begin;
                scope.spawn(move || {
                    let ended = one(&mut **caller, load, begin);
                    caller.leave();
                    ended
                })
            });
            let threads: Vec<_> = threads.collect();
            threads.into_iter().map(|t| t.join().unwrap_or_else(|_| Err("a client panicked".into()))).collect()
        });
        let ended = ended.into_iter().collect::<Result<Vec<_>, _>>()?;
        let mut all = Latencies::new();
        ended.iter().for_each(|e| all.add(&e.latencies));
        let begun = ended.iter().map(|e| e.begun).min().ok_or("a load without clients")?;
        let elapsed = ended.iter().map(|e| e.ended).max().map_or(Duration::ZERO, |end| end - begun);
        let took = all.summary();
        Ok(Figures { took, per_second: (took.count as f64 / elapsed.as_secs_f64()).round() })
    }
}

/// What one client did.
struct Ended {
    latencies: Latencies,
    begun: Instant,
    ended: Instant,
}

fn one(caller: &mut dyn Caller, load: &Load, begin: &Barrier) -> Result<Ended, Error> {
    let within = Duration::from_millis(load.within_ms);
    let warm = Instant::now() + within / WARM_UP_SHARE;
    let mut warmed = Ok(());
    for _ in 0..WARM_UP_CALLS {
        warmed = act(caller, load);
        if warmed.is_err() || Instant::now() > warm {
            break;
        }
    }
    if warmed.is_ok() && load.what == What::OneWay {
        warmed = drain(caller, load);
    }
    // Whatever became of it: the others wait here, too.
    begin.wait();
    warmed?;
    let mut latencies = Latencies::new();
    let begun = Instant::now();
    let mut now = begun;
    while now - begun < within {
        act(caller, load)?;
        let after = Instant::now();
        latencies.record(after - now);
        now = after;
    }
    if load.what == What::OneWay {
        drain(caller, load)?;
        now = Instant::now();
    }
    Ok(Ended { latencies, begun, ended: now })
}

fn act(caller: &mut dyn Caller, load: &Load) -> Result<(), Error> {
    match load.what {
        What::Rpc => caller.call(load),
        What::OneWay => caller.post(load),
    }
}

/// Waits until everything that was posted has been received.
fn drain(caller: &mut dyn Caller, load: &Load) -> Result<(), Error> {
    caller.call(&Load { what: What::Rpc, size: 0, rights: 0, ..*load })
}

/// What a server answers: it depends on every byte. The sum of the 64-bit words, of which the last may be short.
pub fn checksum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    words.iter().chain([&last]).fold(0, |sum, word| sum.wrapping_add(u64::from_le_bytes(*word)))
}

/// The bytes of a request: always the same ones, no two words alike.
pub fn noise(size: u64) -> Vec<u8> {
    (0..size.div_ceil(8))
        .flat_map(|i| (i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes())
        .take(size as usize)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Counting {
        calls: u64,
        fail_at: Option<u64>,
    }

    impl Caller for Counting {
        fn call(&mut self, _: &Load) -> Result<(), Error> {
            self.calls += 1;
            if Some(self.calls) == self.fail_at {
                return Err("enough".into());
            }
            std::thread::sleep(Duration::from_micros(200));
            Ok(())
        }
    }

    const LOAD: Load = Load { what: What::Rpc, size: 0, rights: 0, clients: 3, within_ms: 30 };

    #[test]
    fn a_crew_ends_in_time_and_counts_all_its_calls() {
        let mut crew = Crew::new(|| Ok(Box::new(Counting::default()) as Box<dyn Caller>));
        let begun = Instant::now();
        let figures = crew.run(&LOAD).unwrap();
        assert!(begun.elapsed() < Duration::from_secs(10));
        assert!(figures.took.count >= 3 && figures.took.p50_us >= 200.0, "{figures:?}");
        let least = figures.took.count as f64 / begun.elapsed().as_secs_f64();
        assert!(figures.per_second >= least.floor(), "{figures:?}");
        // The same clients are used again.
        crew.run(&Load { clients: 2, ..LOAD }).unwrap();
        assert_eq!(crew.callers.len(), 3);
    }

    #[test]
    fn a_client_that_fails_fails_the_load_and_holds_nobody_up() {
        let mut made = 0;
        let mut crew = Crew::new(|| {
            made += 1;
            let fail_at = (made == 2).then_some(1);
            Ok(Box::new(Counting { fail_at, calls: 0 }) as Box<dyn Caller>)
        });
        assert_eq!(crew.run(&LOAD).unwrap_err().to_string(), "enough");
        let one_way = Load { what: What::OneWay, clients: 1, ..LOAD };
        assert!(crew.run(&one_way).unwrap_err().to_string().contains("no one-way messages"));
    }

    #[test]
    fn a_checksum_depends_on_every_byte() {
        let bytes = noise(67);
        assert_eq!(bytes.len(), 67);
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 1;
            assert_ne!(checksum(&other), checksum(&bytes), "byte {at}");
        }
        assert_eq!(checksum(&[]), 0);
        assert_eq!(checksum(&[1, 0, 0, 0, 0, 0, 0, 0, 2]), 3);
    }
}

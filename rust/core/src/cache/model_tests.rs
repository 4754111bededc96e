//! The cache against a list of what was stored, with a search of all of it: the same hits of the same tier after any
//! operations, and what is held is what the list says.

use proptest::prelude::*;

use super::durable_tests::Folder;
use super::model_steps::{FIRST_FILLER, Step, question, steps};
use super::partition::{CANDIDATES, ROUNDS, SMALL_UP_TO, Vector};
use super::tests::answer;
use super::*;
use crate::clock::ManualClock;
use crate::embed::StaticEmbedder;
use crate::store::Label;

/// How much a similarity may differ from that of brute force: what is stored is rounded.
const TOLERANCE: f32 = 1e-3;

/// What is kept of one that was stored.
#[derive(Debug, Clone)]
struct Kept {
    id: u128,
    /// Scope and canonical text.
    request: (String, String),
    /// Scope and literals: whom it may be served to by meaning.
    partition: (String, Vec<u8>),
    vector: Vec<f32>,
    signature: LexicalSignature,
    tenant: String,
    response: String,
    source: String,
    tag: String,
    born: u64,
    expires: u64,
    /// When it was stored or served last; the same for all that came out of a folder.
    used: u64,
    /// When it was stored.
    stored: u64,
}

struct Model {
    name: &'static str,
    cache: Cache,
    clock: Arc<ManualClock>,
    folder: Folder,
    config: CacheConfig,
    now: u64,
    count: u64,
    /// What may be held in memory.
    held: Vec<Kept>,
    /// What the folder may give back: the newest of each request that no call removed, evicted ones included.
    written: Vec<Kept>,
    marks: Vec<((String, String), (String, String))>,
}

type Outcome = std::result::Result<(), TestCaseError>;

impl Model {
    fn open(folder: &Folder, config: &CacheConfig, clock: &Arc<ManualClock>) -> Cache {
        let disk = DiskConfig { path: folder.0.clone(), is_sync: false, is_strict: true };
        Cache::open(config.clone(), StaticEmbedder::shipped().unwrap(), clock.clone(), &disk).unwrap()
    }

    fn new(name: &'static str, config: CacheConfig) -> Self {
        let (folder, clock) = (Folder::new(name), Arc::new(ManualClock::new(1_000)));
        let cache = Self::open(&folder, &config, &clock);
        Self {
            name,
            cache,
            clock,
            folder,
            config,
            now: 1_000,
            count: 0,
            held: Vec::new(),
            written: Vec::new(),
            marks: Vec::new(),
        }
    }

    fn is_marked(&self, asked: &(String, String), answered: &(String, String)) -> bool {
        let is = |one, other| self.marks.iter().any(|(a, b)| (a, b) == (one, other) || (a, b) == (other, one));
        is(asked, answered) || is(asked, asked)
    }

    /// What a look-up should give: the ids that may be served, `None` among them for a miss. More than one only where
    /// rounding decides.
    fn expected(&self, request: &(String, String), probe: &Probe, literals: &[u8]) -> Vec<Option<(HitKind, u128)>> {
        let is_exact = |kept: &&Kept| self.now < kept.expires && kept.request == *request;
        if let Some(kept) = self.held.iter().find(is_exact) {
            return vec![Some((HitKind::Exact, kept.id))];
        }
        let cosine = |kept: &Kept| {
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
            dot(&kept.vector, &probe.vector)
                / (dot(&kept.vector, &kept.vector) * dot(&probe.vector, &probe.vector)).sqrt()
        };
        let (mut near, expired): (Vec<(f32, &Kept)>, Vec<_>) = (self.held.iter())
            .filter(|kept| kept.partition.0 == request.0 && kept.partition.1 == literals)
            .map(|kept| (cosine(kept), kept))
            .filter(|(similarity, _)| *similarity >= probe.threshold - TOLERANCE)
            .partition(|(_, kept)| self.now < kept.expires);
        near.sort_by(|a, b| b.0.total_cmp(&a.0));
        let serves = |kept: &Kept| {
            !self.is_marked(request, &kept.request) && guards::refuse(&probe.signature, &kept.signature).is_none()
        };
        let (mut may, mut sure) = (Vec::new(), None);
        for (rank, &(similarity, kept)) in near.iter().enumerate() {
            let is_near = similarity >= probe.threshold + TOLERANCE && rank < CANDIDATES;
            if !serves(kept) || sure.is_some_and(|sure: f32| similarity < sure - TOLERANCE) {
                continue;
            }
            may.push(Some((HitKind::Semantic, kept.id)));
            if is_near && sure.is_none() {
                sure = Some(similarity);
            }
        }
        // Among many expired ones a look-up gives up.
        let is_crowded = near.len() > CANDIDATES || expired.len() >= (ROUNDS - 1) * CANDIDATES;
        if sure.is_none() || is_crowded {
            may.push(None);
        }
        may
    }

    fn get(&mut self, number: usize) -> std::result::Result<Option<Hit>, TestCaseError> {
        let (scope, analysis) = question(number);
        let request = (scope, analysis.request().text().to_owned());
        let probe = self.cache.probe(&analysis, 0, 0);
        let expected = self.expected(&request, &probe, &analysis.features().literals());
        let explained = self.cache.explain(&analysis).hit.map(|hit| (hit.kind, hit.entry_id()));
        let hit = self.cache.get(&analysis);
        let found = hit.as_ref().map(|hit| (hit.kind, hit.entry_id()));
        prop_assert!(expected.contains(&found), "{found:?} is none of {expected:?}");
        prop_assert_eq!(explained, found);
        if let Some(hit) = &hit {
            self.count += 1;
            let kept = self.held.iter_mut().find(|kept| kept.id == hit.entry_id()).unwrap();
            prop_assert_eq!(&*hit.answer().response, kept.response.as_bytes());
            prop_assert_eq!(hit.age_ms, self.now - kept.born);
            kept.used = self.count;
        }
        Ok(hit)
    }

    fn put(&mut self, number: usize, length: usize, ttl_ms: Option<u64>) -> Outcome {
        self.count += 1;
        let (scope, analysis) = question(number);
        let (source, tag) = (format!("kb/{}@{}", length % 5, self.count), format!("t{}", length % 5));
        let response = format!("{} {}", self.count, "x".repeat(length));
        let options = PutOptions {
            ttl_ms,
            sources: [source.clone().into()].into(),
            tags: [tag.clone().into()].into(),
            ..PutOptions::default()
        };
        let id = self.cache.put(&analysis, answer(&response), options).unwrap().unwrap();
        let probe = self.cache.probe(&analysis, 0, 0);
        let kept = Kept {
            id,
            request: (scope.clone(), analysis.request().text().to_owned()),
            partition: (scope, analysis.features().literals()),
            vector: probe.vector,
            signature: probe.signature,
            tenant: analysis.request().tenant().to_owned(),
            response,
            source,
            tag,
            born: self.now,
            expires: self.now + ttl_ms.or(self.config.ttl_ms).unwrap(),
            used: self.count,
            stored: self.count,
        };
        for list in [&mut self.held, &mut self.written] {
            list.retain(|other| other.request != kept.request);
            list.push(kept.clone());
        }
        self.account_for_evicted()
    }

    /// What is gone after a put has had its time, or went in its turn: the oldest of its tenant, or what was used longest ago.
    fn account_for_evicted(&mut self) -> Outcome {
        let state = self.cache.state.lock();
        let is_held = |kept: &Kept| state.store.find_id(kept.id).is_some();
        let (held, gone): (Vec<Kept>, Vec<Kept>) = std::mem::take(&mut self.held).into_iter().partition(is_held);
        for gone in gone.iter().filter(|gone| self.now < gone.expires) {
            let is_in_turn = held.iter().all(|kept| gone.used <= kept.used);
            let in_tenant = |kept: &&Kept| kept.tenant == gone.tenant;
            let is_in_quota = self.config.tenant_share.is_some()
                && held.iter().filter(in_tenant).all(|kept| gone.stored <= kept.stored);
            prop_assert!(is_in_turn || is_in_quota, "{} went out of turn", gone.response.len());
        }
        prop_assert!(!held.is_empty(), "what was put is gone");
        drop(state);
        self.held = held;
        Ok(())
    }

    fn remove(&mut self, selection: &Selection, is_meant: impl Fn(&Kept) -> bool) -> Outcome {
        // Expired ones that nobody has met count as well, so only the live ones bound the number.
        let live = self.held.iter().filter(|kept| is_meant(kept) && self.now < kept.expires).count() as u64;
        let all = self.held.iter().filter(|kept| is_meant(kept)).count() as u64;
        let would = self.cache.invalidate(selection, true).unwrap();
        let did = self.cache.invalidate(selection, false).unwrap();
        prop_assert_eq!(would, did);
        prop_assert!((live..=all).contains(&did), "{did} of {live} to {all}");
        self.held.retain(|kept| !is_meant(kept));
        self.written.retain(|kept| !is_meant(kept));
        Ok(())
    }

    fn wrong(&mut self, number: usize) -> Outcome {
        let Some(hit) = self.get(number)? else { return Ok(()) };
        prop_assert!(self.cache.mark_wrong(&hit).unwrap());
        let (scope, analysis) = question(number);
        let at = self.held.iter().position(|kept| kept.id == hit.entry_id()).unwrap();
        let kept = self.held.remove(at);
        self.written.retain(|other| other.id != kept.id);
        self.marks.push(((scope, analysis.request().text().to_owned()), kept.request));
        Ok(())
    }

    /// The folder gives back what was written and not removed: all of it, unless the budget has no room.
    fn reopen(&mut self) -> Outcome {
        let other = Folder::new(&format!("{}-none", self.name));
        let memory = Self::open(&other, &self.config, &self.clock);
        drop(std::mem::replace(&mut self.cache, memory));
        self.cache = Self::open(&self.folder, &self.config, &self.clock);
        let evicted = self.cache.stats().evicted;
        let state = self.cache.state.lock();
        let live = self.written.iter().filter(|kept| self.now < kept.expires);
        let (held, gone): (Vec<Kept>, Vec<Kept>) =
            live.cloned().partition(|kept| state.store.find_id(kept.id).is_some());
        prop_assert!(gone.is_empty() || evicted > 0, "{} written entries are gone", gone.len());
        prop_assert_eq!(held.len(), state.store.len(), "something came back");
        drop(state);
        self.held = held;
        self.held.iter_mut().for_each(|kept| (kept.used, kept.stored) = (0, 0));
        Ok(())
    }

    /// The store is what the list says, the index what the store says, and the bytes add up.
    fn check(&self) -> Outcome {
        let state = self.cache.state.lock();
        prop_assert!(state.bytes() <= self.config.max_bytes);
        if let (Some(quotas), Some(quota)) = (&state.quotas, self.config.quota()) {
            prop_assert!(["a", "b"].iter().all(|tenant| quotas.held(tenant) <= quota), "a tenant holds too much");
        }
        let (mut seen, mut with_vector) = (0, 0);
        for kept in &self.held {
            let Some(slot) = state.store.find_id(kept.id) else {
                prop_assert!(self.now >= kept.expires, "a live entry is gone");
                continue;
            };
            seen += 1;
            let entry = state.store.get(slot).unwrap();
            prop_assert_eq!(&*entry.answer.response, kept.response.as_bytes());
            prop_assert_eq!(state.store.find(entry.fingerprint), Some(slot));
            prop_assert!(state.store.find_label(Label::Tag(&kept.tag)).contains(&slot));
            let vector = match state.vector(entry) {
                Vector::None => None,
                Vector::Copied(vector) => Some(vector),
                Vector::In(large, key) => large.vector(key),
            };
            match vector {
                None => prop_assert!(kept.vector.iter().all(|&value| value == 0.0), "a vector is gone"),
                Some(vector) => {
                    with_vector += 1;
                    let cosine: f32 = vector.iter().zip(&kept.vector).map(|(x, y)| x * y).sum();
                    prop_assert!(cosine > 1.0 - TOLERANCE, "the vector of another: {cosine}");
                }
            }
        }
        prop_assert_eq!(seen, state.store.len());
        // Counts the bytes as well.
        prop_assert_eq!(state.vectors(), with_vector);
        Ok(())
    }

    fn run(&mut self, steps: Vec<Step>) -> Outcome {
        for step in steps {
            match step {
                Step::Get(number) => drop(self.get(number)?),
                Step::Put { question, length, ttl_ms } => self.put(question, length, ttl_ms)?,
                Step::Wait(ms) => {
                    self.now += ms;
                    self.clock.set(self.now);
                }
                Step::Source(number) => {
                    let document = format!("kb/{number}");
                    let selection = Selection { source: Some(format!("{document}@*").into()), ..Selection::default() };
                    self.remove(&selection, |kept| kept.source.starts_with(&format!("{document}@")))?;
                }
                Step::Tag(number) => {
                    let tag = format!("t{number}");
                    let selection = Selection { tag: Some(tag.clone().into()), ..Selection::default() };
                    self.remove(&selection, |kept| kept.tag == tag)?;
                }
                Step::Tenant(number) => {
                    let tenant = ["a", "b"][number];
                    let selection = Selection { tenant: Some(tenant.into()), ..Selection::default() };
                    self.remove(&selection, |kept| kept.tenant == tenant)?;
                }
                Step::Wrong(number) => self.wrong(number)?,
                Step::Clear => {
                    self.cache.clear().unwrap();
                    self.held.clear();
                    self.written.clear();
                }
                Step::Compact => {
                    // What is not in memory any more is not in the snapshot either.
                    self.cache.compact().unwrap();
                    let held: Vec<u128> = self.held.iter().map(|kept| kept.id).collect();
                    self.written.retain(|kept| held.contains(&kept.id));
                }
                Step::Reopen => self.reopen()?,
            }
            self.check()?;
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn the_cache_does_what_a_list_with_a_search_of_all_does(steps in steps()) {
        let config = CacheConfig { ttl_ms: Some(150), similarity_threshold: 0.7, ..CacheConfig::default() };
        Model::new("model", config).run(steps)?;
    }

    #[test]
    fn a_full_cache_does_what_a_list_does_and_lets_go_in_turn(steps in steps()) {
        let config = CacheConfig {
            max_bytes: 24_000, ttl_ms: Some(400), similarity_threshold: 0.7, tenant_share: Some(0.6), ..CacheConfig::default()
        };
        Model::new("model-full", config).run(steps)?;
    }
}

proptest! {
    // A hundred vectors are checked after every step.
    #![proptest_config(ProptestConfig::with_cases(20))]

    #[test]
    fn a_large_partition_does_what_a_list_does(steps in steps()) {
        let config = CacheConfig { ttl_ms: Some(1_000), similarity_threshold: 0.7, ..CacheConfig::default() };
        let mut model = Model::new("model-large", config);
        for number in 0..SMALL_UP_TO + 20 {
            model.put(FIRST_FILLER + number, 10, None)?;
        }
        model.run(steps)?;
    }
}

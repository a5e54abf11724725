//! [`HttpWorkload`]: a mix of requests made concrete for one load worker.

use std::cell::RefCell;

use corecurve_core::{Decoded, Outcome, Rng, Told, Wire, Workload};

use crate::mix::{Mix, Picker, Preference};
use crate::request::{Method, Recipe, Template};
use crate::response::{Answers, Expect, Memo};

/// One operation: the number the engine gave it, and what it asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Op {
    /// Unique in the trial.
    pub id: u64,
    /// Index of the page in the workload's mix.
    pub page: u32,
}

/// An HTTP workload of one load worker.
///
/// An operation is one request, or `depth` of the same that go out in one write; it ends with the last answer.
///
/// Cost per operation: choosing and copying the request, one `memcmp` with the head of an earlier answer and, for sampled
/// operations, one with the expected body. Nothing is allocated after it is made, except that the engine's
/// own buffers grow to the size of the largest message.
#[derive(Debug)]
pub struct HttpWorkload {
    pages: Box<[Page]>,
    picker: Picker,
    /// Requests in one operation.
    depth: u32,
    preference: Option<Preference>,
    /// The head seen last of each of the first pages, shared by all connections of this worker: servers answer alike.
    /// Pages beyond [`MEMOS`] share them; all of those are GETs, to which equal heads mean the same.
    memos: Box<[RefCell<Memo>]>,
}

/// Most heads remembered.
const MEMOS: usize = 64;

/// A request with what a right answer to it is.
#[derive(Debug)]
struct Page {
    template: Template,
    expect: Expect,
}

impl Page {
    fn new(recipe: &Recipe, seed: u64, authority: &str) -> Page {
        let bodiless = recipe.method == Method::Head;
        let expect = Expect { status: recipe.status, bodiless, content: recipe.content.clone() };
        Page { template: Template::new(recipe, seed, authority), expect }
    }
}

impl HttpWorkload {
    pub(crate) fn new(mix: &Mix, seed: u64, authority: &str) -> HttpWorkload {
        let pages: Box<[Page]> = mix.pages.iter().map(|recipe| Page::new(recipe, seed, authority)).collect();
        let memos = (0..pages.len().min(MEMOS)).map(|_| RefCell::default()).collect();
        let picker = Picker::new(&mix.picks, seed);
        HttpWorkload { pages, picker, depth: mix.depth, preference: mix.preference, memos }
    }

    #[inline]
    fn page(&self, op: &Op) -> &Page {
        &self.pages[op.page as usize]
    }
}

impl Workload for HttpWorkload {
    type Op = Op;

    #[inline]
    fn next(&mut self, id: u64, rng: &mut Rng) -> Op {
        Op { id, page: self.picker.pick(id, rng) as u32 }
    }
}

impl Wire for HttpWorkload {
    type Decoder = Answers;

    #[inline]
    fn encode(&self, op: &Op, last: bool, out: &mut Vec<u8>) {
        let template = &self.page(op).template;
        for _ in 1..self.depth {
            template.write(op.id, false, out);
        }
        template.write(op.id, last, out);
    }

    #[inline]
    fn decode(&self, op: &Op, decoder: &mut Answers, input: &[u8], verify: bool) -> Decoded {
        let memo = &self.memos[op.page as usize % self.memos.len()];
        decoder.read(self.depth, &self.page(op).expect, &mut memo.borrow_mut(), input, verify)
    }

    fn closed(&self, op: &Op, decoder: &mut Answers) -> Outcome {
        decoder.closed(self.depth, &self.page(op).expect)
    }

    fn preferred(&self, connections: usize) -> usize {
        self.preference.map_or(0, |preference| preference.among(connections))
    }

    #[inline]
    fn prefers(&self, op: &Op) -> bool {
        self.preference.is_some_and(|preference| preference.page == op.page)
    }

    fn told(&self, decoder: &Answers) -> Told {
        decoder.told()
    }
}

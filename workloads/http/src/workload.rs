//! [`HttpWorkload`]: a recipe made concrete for one load worker.

use std::cell::RefCell;

use corecurve_core::{Decoded, Outcome, Rng, Told, Wire, Workload};

use crate::request::{Method, Recipe, Template};
use crate::response::{Decoder, Expect, Memo};

/// One operation: the number the engine gave it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Op {
    /// Unique in the trial.
    pub id: u64,
}

/// An HTTP workload of one load worker.
///
/// Cost per operation: copying the request, one `memcmp` with the previous answer's head and, for sampled
/// operations, one with the expected body. Nothing is allocated after it is made, except that the engine's
/// own buffers grow to the size of the largest message.
#[derive(Debug)]
pub struct HttpWorkload {
    template: Template,
    expect: Expect,
    /// The head seen last, shared by all connections of this worker: servers answer alike.
    memo: RefCell<Memo>,
}

impl HttpWorkload {
    pub(crate) fn new(recipe: &Recipe, seed: u64, authority: &str) -> HttpWorkload {
        HttpWorkload {
            template: Template::new(recipe, seed, authority),
            expect: Expect {
                status: recipe.status,
                bodiless: recipe.method == Method::Head,
                content: recipe.content.clone(),
            },
            memo: RefCell::new(Memo::default()),
        }
    }
}

impl Workload for HttpWorkload {
    type Op = Op;

    fn next(&mut self, id: u64, _rng: &mut Rng) -> Op {
        Op { id }
    }
}

impl Wire for HttpWorkload {
    type Decoder = Decoder;

    fn encode(&self, op: &Op, last: bool, out: &mut Vec<u8>) {
        self.template.write(op.id, last, out);
    }

    fn decode(&self, _op: &Op, decoder: &mut Decoder, input: &[u8], verify: bool) -> Decoded {
        decoder.read(&self.expect, &mut self.memo.borrow_mut(), input, verify)
    }

    fn closed(&self, _op: &Op, decoder: &mut Decoder) -> Outcome {
        decoder.closed(&self.expect)
    }

    fn told(&self, decoder: &Decoder) -> Told {
        decoder.told()
    }
}

//! Finds the lists and maps that Elixir writes with keywords, and the structs.

use super::elixir::{alias, is_keyword};
use super::term::{Term, children, read};
use crate::error::DecodeError;
use crate::reader::Reader;

/// How a list or a map is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Form {
    /// Whether every item is a pair whose first element can be a keyword, or every key can be one.
    pub(super) keywords: bool,
    /// Where the value of the key `__struct__` begins, if it is an alias.
    pub(super) struct_name: Option<usize>,
}

/// The forms of all lists and maps, in the order in which they begin.
pub(super) fn outline(input: &[u8]) -> Result<Vec<Form>, DecodeError> {
    let mut reader = Reader { input, at: 0 };
    let mut forms = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    loop {
        let start = reader.at;
        let term = read(&mut reader)?;
        if let Some(parent) = open.last_mut() {
            parent.see(&term, start, &mut forms);
        }
        let count = children(&term);
        match term {
            Term::List(_) | Term::Map(_) => {
                let kind = if matches!(term, Term::Map(_)) { Kind::Map } else { Kind::List };
                open.push(Open { kind, form: forms.len(), left: count, is_struct_key: false });
                forms.push(Form { keywords: true, struct_name: None });
            }
            Term::NativeRecord { .. } if count > 0 => {
                let kind = Kind::Tuple { is_pair_of: None };
                open.push(Open { kind, form: 0, left: count, is_struct_key: false });
            }
            Term::Tuple(size) if size > 0 => {
                let kind = Kind::Tuple { is_pair_of: open.last().and_then(Open::as_list) };
                open.push(Open { kind, form: 0, left: count, is_struct_key: false });
            }
            _ => {}
        }
        while let Some(parent) = open.last()
            && parent.left == 0
        {
            open.pop();
        }
        if open.is_empty() {
            return Ok(forms);
        }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    List,
    Map,
    /// The list whose item it is, if its first element is still to come.
    Tuple {
        is_pair_of: Option<usize>,
    },
}

struct Open {
    kind: Kind,
    /// The place of its form, of a list or a map.
    form: usize,
    /// How many terms are still to come.
    left: u64,
    is_struct_key: bool,
}

impl Open {
    fn as_list(&self) -> Option<usize> {
        // The last term of a list is its tail.
        (matches!(self.kind, Kind::List) && self.left > 0).then_some(self.form)
    }

    /// The next term in the container.
    fn see(&mut self, term: &Term<'_>, start: usize, forms: &mut [Form]) {
        self.left -= 1;
        match &mut self.kind {
            Kind::List => {
                let fits = if self.left == 0 {
                    matches!(term, Term::Nil)
                } else {
                    matches!(term, Term::Tuple(2))
                };
                forms[self.form].keywords &= fits;
            }
            Kind::Tuple { is_pair_of } => {
                if let Some(list) = is_pair_of.take() {
                    forms[list].keywords &= is_keyword_atom(term);
                }
            }
            Kind::Map if self.left % 2 == 1 => {
                let form = &mut forms[self.form];
                form.keywords &= is_keyword_atom(term);
                self.is_struct_key = matches!(term, Term::Atom(name) if name == "__struct__");
            }
            Kind::Map => {
                if self.is_struct_key
                    && let Term::Atom(name) = term
                {
                    let is_module = alias(name).is_some_and(|alias| alias != "Elixir");
                    forms[self.form].struct_name = is_module.then_some(start);
                }
            }
        }
    }
}

fn is_keyword_atom(term: &Term<'_>) -> bool {
    matches!(term, Term::Atom(name) if is_keyword(name))
}

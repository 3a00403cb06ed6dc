use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use http::HeaderValue;
use ring::hmac;

use crate::secrets::{Candidates, MAX_SECRETS, Secrets};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// Also tried for requests without a name.
    Optional,
    /// Tried only for requests that name the caller.
    Required,
}

#[derive(Clone, Debug)]
pub struct NamedCaller {
    pub name: String,
    pub secrets: Secrets,
    /// Optional by default, or required if any caller has a hint.
    pub hint: Option<Hint>,
}

/// The signed header `x-backwater-caller` selects the secrets to try. Without it, at most
/// [`MAX_SECRETS`] are tried. `Debug` hides the secrets.
#[derive(Clone)]
pub struct Callers {
    ring: Arc<KeyRing>,
}

struct KeyRing {
    /// Keys for requests without a name come first.
    keys: Vec<hmac::Key>,
    without_name: usize,
    callers: Vec<(Arc<str>, Range<usize>)>,
    by_name: HashMap<Arc<str>, Range<usize>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallersError {
    None,
    SameName(String),
    /// A shared secret identifies neither caller.
    SameSecret(String, String),
    TooManyWithoutName {
        secrets: usize,
        is_said: bool,
    },
}

impl fmt::Display for CallersError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => formatter.write_str("there must be at least one caller"),
            Self::SameName(name) => write!(formatter, "two callers are named '{name}'"),
            Self::SameSecret(first, second) => write!(
                formatter,
                "callers '{first}' and '{second}' have the same secret; each caller needs its own secrets"
            ),
            Self::TooManyWithoutName { secrets, is_said: false } => write!(
                formatter,
                "the callers have {secrets} secrets in all, and at most {MAX_SECRETS} can be tried for a \
                 request that does not name its caller: mark the callers that may omit their name, such as \
                 {{ legacy: {{ secret, hint: 'optional' }} }}, or one as hint: 'required' if none may"
            ),
            Self::TooManyWithoutName { secrets, is_said: true } => write!(
                formatter,
                "the callers with hint: 'optional' have {secrets} secrets, and at most {MAX_SECRETS} can be \
                 tried for a request that does not name its caller"
            ),
        }
    }
}

impl std::error::Error for CallersError {}

impl From<Secrets> for Callers {
    fn from(secrets: Secrets) -> Self {
        let keys = secrets.keys().to_vec();
        let without_name = keys.len();
        let ring = KeyRing { keys, without_name, callers: Vec::new(), by_name: HashMap::new() };
        Self { ring: Arc::new(ring) }
    }
}

impl Callers {
    pub fn new(callers: Vec<NamedCaller>) -> Result<Self, CallersError> {
        if callers.is_empty() {
            return Err(CallersError::None);
        }
        check_secrets(&callers)?;
        let is_said = callers.iter().any(|caller| caller.hint.is_some());
        let default = if is_said { Hint::Required } else { Hint::Optional };
        let (optional, required): (Vec<_>, Vec<_>) = callers
            .into_iter()
            .partition(|caller| caller.hint.unwrap_or(default) == Hint::Optional);
        let without_name = optional.iter().map(|caller| caller.secrets.keys().len()).sum();
        if without_name > MAX_SECRETS {
            return Err(CallersError::TooManyWithoutName { secrets: without_name, is_said });
        }
        let mut ring = KeyRing {
            keys: Vec::new(),
            without_name,
            callers: Vec::new(),
            by_name: HashMap::new(),
        };
        for NamedCaller { name, secrets, .. } in optional.into_iter().chain(required) {
            let first = ring.keys.len();
            ring.keys.extend_from_slice(secrets.keys());
            let name: Arc<str> = name.into();
            let places = first..ring.keys.len();
            if ring.by_name.insert(Arc::clone(&name), places.clone()).is_some() {
                return Err(CallersError::SameName(name.to_string()));
            }
            ring.callers.push((name, places));
        }
        Ok(Self { ring: Arc::new(ring) })
    }

    /// Empty if the secrets have no names.
    pub fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.ring.callers.iter().map(|(name, _)| name)
    }

    pub(crate) fn candidates(&self, name: Option<&HeaderValue>) -> Candidates<'_> {
        let KeyRing { keys, without_name, callers, by_name } = &*self.ring;
        match name {
            // Servers without named callers ignore names.
            Some(name) if !callers.is_empty() => {
                match name.to_str().ok().and_then(|name| by_name.get(name)) {
                    Some(places) => Candidates::new(&keys[places.clone()], places.start),
                    None => Candidates::none(&keys[..1]),
                }
            }
            _ if *without_name == 0 => Candidates::none(&keys[..1]),
            _ => Candidates::new(&keys[..*without_name], 0),
        }
    }

    pub(crate) fn key(&self, number: usize) -> &hmac::Key {
        self.ring.keys.get(number).unwrap_or(&self.ring.keys[0])
    }

    pub(crate) fn owner(&self, number: usize) -> Option<Arc<str>> {
        let callers = &self.ring.callers;
        let next = callers.partition_point(|(_, places)| places.end <= number);
        callers.get(next).map(|(name, _)| Arc::clone(name))
    }
}

/// Compares what the secrets sign, because HMAC pads short keys and hashes long ones.
fn check_secrets(callers: &[NamedCaller]) -> Result<(), CallersError> {
    let mut owners = HashMap::new();
    for NamedCaller { name, secrets, .. } in callers {
        for key in secrets.keys() {
            let tag = hmac::sign(key, b"backwater: the same secret?").as_ref().to_vec();
            match owners.insert(tag, name) {
                Some(owner) if owner != name => {
                    return Err(CallersError::SameSecret(owner.clone(), name.clone()));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

impl fmt::Debug for Callers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let KeyRing { keys, callers, .. } = &*self.ring;
        write!(formatter, "Callers({} secrets of {} callers)", keys.len(), callers.len())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn caller(name: &str, secrets: &[&[u8]], hint: Option<Hint>) -> NamedCaller {
        let secrets = Secrets::new(secrets.iter().map(|secret| secret.to_vec())).unwrap();
        NamedCaller { name: name.to_owned(), secrets, hint }
    }

    fn many(count: usize, hint: Option<Hint>) -> Vec<NamedCaller> {
        let named = |number: usize| {
            let name = format!("c{number}");
            caller(&name, &[name.as_bytes()], hint)
        };
        (0..count).map(named).collect()
    }

    #[test]
    #[cfg_attr(miri, ignore = "ring is assembly, which Miri does not run")]
    fn at_most_sixteen_secrets_are_tried_without_a_name() {
        assert!(Callers::new(many(16, None)).is_ok());
        let error = Callers::new(many(17, None)).unwrap_err();
        assert_eq!(error, CallersError::TooManyWithoutName { secrets: 17, is_said: false });
        assert!(error.to_string().contains("hint: 'optional'"), "{error}");

        let legacy = |count: u8, hint| {
            let secrets: Vec<Vec<u8>> = (0..count).map(|number| vec![1, number]).collect();
            let secrets: Vec<&[u8]> = secrets.iter().map(Vec::as_slice).collect();
            let mut callers = many(1000, None);
            callers.push(caller("legacy", &secrets, Some(hint)));
            Callers::new(callers)
        };
        let callers = legacy(16, Hint::Optional).unwrap();
        assert_eq!(callers.candidates(None).keys().len(), 16);
        assert_eq!(callers.owner(15).as_deref(), Some("legacy"));
        let name = HeaderValue::from_static("c999");
        let candidates = callers.candidates(Some(&name));
        assert_eq!((candidates.keys().len(), candidates.number(0)), (1, Some(1015)));
        assert_eq!(callers.owner(1015).as_deref(), Some("c999"));

        let callers = legacy(1, Hint::Required).unwrap();
        assert_eq!(callers.candidates(None).number(0), None);
        let error = Callers::new(many(17, Some(Hint::Optional))).unwrap_err();
        assert_eq!(error, CallersError::TooManyWithoutName { secrets: 17, is_said: true });
    }

    #[test]
    #[cfg_attr(miri, ignore = "ring is assembly, which Miri does not run")]
    fn a_secret_belongs_to_one_caller() {
        let both = |first: &[u8], second: &[u8]| {
            Callers::new(vec![
                caller("a", &[b"a secret", first], None),
                caller("b", &[second], None),
            ])
            .map(drop)
        };
        let same = Err(CallersError::SameSecret("a".to_owned(), "b".to_owned()));
        assert_eq!(both(b"x", b"y"), Ok(()));
        assert_eq!(both(b"x", b"x"), same);
        assert_eq!(both(b"x", b"x\0"), same);
        assert_eq!(both(b"x", b"X"), Ok(()));
        assert!(Callers::new(vec![caller("a", &[b"x", b"x"], None)]).is_ok());
        let twice = Callers::new(vec![caller("a", &[b"x"], None), caller("a", &[b"y"], None)]);
        assert_eq!(twice.map(drop), Err(CallersError::SameName("a".to_owned())));
        assert_eq!(Callers::new(Vec::new()).map(drop), Err(CallersError::None));
    }
}

//! Recovery: what is done by itself after faults that are none of the code's.

use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::model::fields::{Fields, not};
use crate::model::resources::{Resources, quantity};

/// What is done after which fault.
#[derive(Debug, Clone, PartialEq)]
pub struct Recovery {
    /// After memory ran out it is started anew with more. None: it is not.
    pub out_of_memory: Option<MoreMemory>,
    /// After the cluster took its pod away (evicted, preempted, its node lost) it is started anew.
    pub disruption: bool,
}

impl Default for Recovery {
    fn default() -> Self {
        Self { out_of_memory: None, disruption: true }
    }
}

/// How much more memory.
#[derive(Debug, Clone, PartialEq)]
pub struct MoreMemory {
    /// So many times as much as before.
    pub factor: f64,
    /// The most.
    pub limit: String,
}

const FORM: &str = "what to do after a fault, such as {\"out_of_memory\": {\"factor\": 2, \"limit\": \"8Gi\"}, \"disruption\": true}";
const MEMORY: &str = "how much more memory to give, such as {\"factor\": 2, \"limit\": \"8Gi\"}";

impl Recovery {
    pub(super) fn read(fields: &Fields) -> Result<Self> {
        let Some(all) = fields.get("recover", FORM, Value::as_object)? else { return Ok(Self::default()) };
        let fields = Fields::read("recovery", "recover", all, &["out_of_memory", "disruption"])?;
        let memory = fields.get("out_of_memory", MEMORY, Value::as_object)?;
        let disruption = fields.get("disruption", "true or false", Value::as_bool)?;
        Ok(Self { out_of_memory: memory.map(MoreMemory::read).transpose()?, disruption: disruption.unwrap_or(true) })
    }

    /// Whether a run that uses so much can be given more.
    pub fn check(&self, asked: &Resources) -> Result<()> {
        let Some(more) = &self.out_of_memory else { return Ok(()) };
        let (Some(now), Some(limit)) = (asked.mem.as_deref().and_then(quantity), quantity(&more.limit)) else {
            return Err(Error::invalid(
                "recover.out_of_memory",
                "",
                "recover.out_of_memory raises the memory that a run may use, and this one does not say how much that is",
                "give it a memory to begin with: resources={\"mem\": \"1Gi\"}",
            ));
        };
        if limit > now {
            return Ok(());
        }
        Err(Error::invalid(
            "recover.out_of_memory.limit",
            &more.limit,
            format!("recover.out_of_memory.limit {:?} is not more than what the run begins with", more.limit),
            "give more than resources={\"mem\": …}",
        ))
    }
}

impl MoreMemory {
    fn read(all: &Map<String, Value>) -> Result<Self> {
        const SIZE: &str = "a size such as \"8Gi\"";
        let fields = Fields::read("it", "recover.out_of_memory", all, &["factor", "limit"])?;
        let factor = fields.get("factor", "a number greater than 1", |value| value.as_f64().filter(|factor| *factor > 1.0 && factor.is_finite()))?;
        let limit = fields.required("limit", SIZE, fields.text("limit", SIZE)?)?;
        if quantity(limit).is_none_or(|size| size < 1.0) {
            return Err(not("recover.out_of_memory.limit", &limit.into(), SIZE));
        }
        Ok(Self { factor: factor.unwrap_or(2.0), limit: limit.to_owned() })
    }

    /// The memory of the next attempt, in bytes, as Kubernetes writes it. None where there is no more to give.
    #[must_use]
    pub fn after(&self, memory: &str) -> Option<String> {
        const MEBIBYTE: f64 = 1024.0 * 1024.0;
        let (now, limit) = (quantity(memory)?, quantity(&self.limit)?);
        let next = (now * self.factor).min(limit);
        if next <= now {
            return None;
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Nobody has exbibytes.
        let (bytes, mebibytes) = (next.ceil() as u64, (next / MEBIBYTE).ceil() as u64);
        Some(if bytes == mebibytes << 20 { format!("{mebibytes}Mi") } else { bytes.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_grows_to_its_limit() {
        let more = MoreMemory { factor: 2.0, limit: "3Gi".into() };
        for (now, next) in [("512Mi", Some("1024Mi")), ("2Gi", Some("3072Mi")), ("3Gi", None), ("4Gi", None), ("1000", Some("2000")), ("?", None)] {
            assert_eq!(more.after(now).as_deref(), next, "{now}");
        }
        assert_eq!(MoreMemory { factor: 1.5, limit: "1Ti".into() }.after("64Mi").as_deref(), Some("96Mi"));
    }
}

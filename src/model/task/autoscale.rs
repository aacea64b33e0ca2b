//! Autoscaling: how many of a service there are follows what they use.

use serde_json::Value;

use super::small;
use crate::error::{Error, Result};
use crate::model::fields::Fields;
use crate::model::resources::Resources;

/// Between how many, and by what use of what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Autoscale {
    pub min: i32,
    pub max: i32,
    /// Percent of the processor time and of the memory that each asked for, on the average of all.
    pub cpu: Option<i32>,
    pub mem: Option<i32>,
}

/// The use that is aimed at where none is given.
const USUAL: i32 = 80;
const PERCENT: &str = "percent of what is asked for in resources=, such as 80";
const FORM: &str = "bounds and what is aimed at, such as {\"min\": 1, \"max\": 5, \"cpu\": 80}";

impl Autoscale {
    pub(super) fn read(fields: &Fields, replicas: Option<i32>) -> Result<Option<Self>> {
        let Some(all) = fields.get("autoscale", FORM, Value::as_object)? else { return Ok(None) };
        let fields = Fields::read("autoscale", "autoscale", all, &["min", "max", "cpu", "mem"])?;
        let number = |field: &str, meaning: &str| fields.whole(field, 1, meaning).and_then(|number| small(&fields, field, number));
        let min = number("min", "a number from 1 on")?.unwrap_or(1);
        let max = fields.required("max", "a number from min on", number("max", "a number from min on")?)?;
        if max < min {
            return Err(Error::invalid("autoscale.max", max, format!("autoscale.max={max} is less than autoscale.min={min}"), "give a max from min on"));
        }
        if let Some(replicas) = replicas.filter(|replicas| !(min..=max).contains(replicas)) {
            let cure = "leave replicas= out, or give a number to begin with that is between them";
            return Err(Error::invalid("replicas", replicas, format!("replicas={replicas} is not between autoscale.min={min} and autoscale.max={max}"), cure));
        }
        let (cpu, mem) = (number("cpu", PERCENT)?, number("mem", PERCENT)?);
        let cpu = cpu.or(mem.is_none().then_some(USUAL));
        Ok(Some(Self { min, max, cpu, mem }))
    }

    /// Whether it is said of what the percentages are.
    pub fn check(&self, asked: &Resources) -> Result<()> {
        for (field, percent, quantity, example) in [("cpu", self.cpu, &asked.cpu, "500m"), ("mem", self.mem, &asked.mem, "1Gi")] {
            if let (Some(percent), None) = (percent, quantity) {
                return Err(Error::invalid(
                    &format!("autoscale.{field}"),
                    percent,
                    format!("autoscale.{field}={percent} is percent of what each asks for, and this service does not say how much that is"),
                    format!("give resources={{\"{field}\": \"{example}\"}}, too"),
                ));
            }
        }
        Ok(())
    }
}

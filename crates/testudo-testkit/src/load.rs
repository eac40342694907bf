//! Open-loop load with corrected latencies.

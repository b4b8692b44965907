"""Parts of scenario files as people write them, one for each part of a scenario: for the page that says what its keys are."""

from __future__ import annotations

#: By the name of the part's class; all keys of the part stand in one of them.
EXAMPLES = {
    "Scenario": """
name: spring
description: Four weeks on the platform that we want, without the first day.
workload: {kind: synthetic, days: 28}
platform: {pools: [{name: gpu, gpus: 8}, {name: cpu, cpu_cores: 48}]}
policy: {order: sjf, backfill: easy}
lifecycle: {trigger: none}
horizon_days: 35
warmup_days: 1
replications: 10
""",
    "ReplayWorkload": """
workload: {kind: replay}
""",
    "SyntheticWorkload": """
workload: {kind: synthetic, days: 28, scale: 1.2, seed: 42}
""",
    "Platform": """
platform:
  pools: [{name: gpu, gpus: 8}, {name: cpu, cpu_cores: 48}]
  store: {read_mb_per_s: 200, write_mb_per_s: 100}
  carbon: {steps: [{from_h: 0, g_per_kwh: 480}]}
  oversized: reject
""",
    "Pool": """
platform:
  pools:
    - name: fast
      nodes: {count: 4, gpus: 8}
      placement: pack
      speed: 1.5
      overhead_s: 20
      gpu_type: A100
      accepts: {gpus: true}
      failures: {mtbf_h: 2000, repair_h: 12}
      autoscale: {min: 2, max: 8}
      cost: {per_h: 2.5}
    - name: others
      cpu_cores: 96
      memory_gb: 512
      timetable: {steps: [{from_h: 0, share: 0.5}, {from_h: 48, share: 1}]}
    - {name: spare, gpus: 2, slots: 16}
policy: {retries: {limit: 3}}
""",
    "Nodes": """
platform:
  pools:
    - name: mixed
      nodes:
        - {count: 10, gpus: 8, cpu_cores: 96, memory_gb: 512, gpu_type: A100}
        - {count: 20, slots: 4, cpu_cores: 32}
""",
    "Accepts": """
platform:
  pools:
    - {name: training, gpus: 32, accepts: {task_types: [train], gpu_type: A100, gpus: true}}
    - {name: rest, cpu_cores: 96, gpus: 8, accepts: {}}
""",
    "Failures": """
platform: {pools: [{name: gpu, nodes: {count: 8, gpus: 4}, failures: {mtbf_h: 2000, repair_h: 12}}]}
policy: {checkpoint_s: 600, retries: {limit: 5}}
""",
    "Timetable": """
platform:
  pools:
    - name: gpu
      gpus: 32
      timetable: {period_h: 24, steps: [{from_h: 0, share: 1}, {from_h: 8, share: 0.5}, {from_h: 20, share: 1}]}
""",
    "Autoscale": """
platform:
  pools:
    - {name: gpu, gpus: 8, autoscale: {min: 4, max: 32, step: 4, target: 0.8, cooldown_s: 600, delay_s: 180}}
""",
    "Cost": """
platform:
  pools: [{name: gpu, gpus: 8, cost: {per_h: 0.4, per_used_h: 2.1, kwh_per_h: 0.05, kwh_per_used_h: 0.3}}]
""",
    "Store": """
platform:
  pools: [{name: gpu, gpus: 8}]
  store: {read_mb_per_s: 200, write_mb_per_s: 100, latency_s: 0.05}
""",
    "Carbon": """
platform:
  pools: [{name: gpu, gpus: 8, cost: {kwh_per_used_h: 0.3}}]
  carbon: {period_h: 24, steps: [{from_h: 0, g_per_kwh: 420}, {from_h: 10, g_per_kwh: 250}, {from_h: 17, g_per_kwh: 480}]}
""",
    "Policy": """
policy:
  order: "estimated_duration_s * gpus"
  backfill: conservative
  depth: 200
  estimates: history
  retries: {limit: 3}
  preemption: true
  checkpoint_s: 600
  restart_s: 60
  tenants: [{name: research, weight: 2}]
""",
    "Estimates": """
policy:
  order: edf
  deadline_s: "2 * estimated_duration_s"
  estimates: {kind: noisy, noisy: 0.5}
""",
    "Retries": """
policy: {retries: {limit: 4, backoff_s: 30, factor: 2, longest_s: 3600}}
""",
    "Tenant": """
policy:
  order: fair-share
  tenants: [{name: research, weight: 2}, {name: batch, quota: {gpus: 4}}]
""",
    "Quota": """
policy:
  tenants: [{name: batch, quota: {gpus: 4, cpu_cores: 16, memory_gb: 128, slots: 10}}]
""",
    "Lifecycle": """
lifecycle:
  trigger: {drift: {below: 0.75}}
  monitor_h: 6
  cooldown_h: 12
  hours: {from_h: 20, until_h: 6}
  budgets: [{tenant: research, runs: 5}]
  priority: 10
  replaces: [schedule]
  gate: 0.7
  objective: 0.75
  decay: {gradual_per_day: 0.01}
  data: {gb_per_day: 2}
  pruning_level: 0.3
  live_after: train
  starts_live: false
""",
    "Trigger": """
lifecycle:
  trigger:
    any:
      - {staleness: {days: 30}}
      - all: [{data: {gb: 10}}, {drift: {drop: 0.05}}]
      - {schedule: {every_h: 168, at_h: 26}}
""",
    "Drift": """
lifecycle: {trigger: {drift: {below: 0.75, drop: 0.05}}}
""",
    "Budget": """
lifecycle:
  trigger: {staleness: {days: 7}}
  budgets:
    - {tenant: research, gpu_hours: 100, period_h: 24}
    - {runs: 20}
""",
    "DecayGiven": """
lifecycle:
  decay: {gradual_per_day: 0.004, jumps_per_day: 0.1, jump_size: 0.05, season_swing: 0.02, season_days: 7}
""",
    "DataGiven": """
lifecycle: {trigger: {data: {gb: 5}}, data: {gb_per_day: 0.5, growth_per_day: 0.01}}
""",
}

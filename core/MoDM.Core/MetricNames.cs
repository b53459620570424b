namespace MoDM;

/// <summary>Every metric, once: emitted by gateway, worker and operator, queried by the operator. The names are a contract.</summary>
public static class MetricNames
{
    // Gateway
    public const string Requests = "modm_requests_total";
    public const string RequestSeconds = "modm_request_seconds";
    public const string QueueSeconds = "modm_queue_seconds";
    public const string QueueLength = "modm_queue_length";
    public const string InFlight = "modm_in_flight";
    public const string ArrivedImages = "modm_arrived_images_total";
    public const string ArrivedWork = "modm_arrived_work_total";
    public const string QueueWork = "modm_queue_work";
    public const string DrawSeconds = "modm_draw_seconds";
    public const string SkippedSteps = "modm_skipped_steps";
    public const string Similarity = "modm_similarity";
    public const string CacheEntries = "modm_cache_entries";
    public const string CacheBytes = "modm_cache_bytes";
    public const string CacheEvictions = "modm_cache_evictions_total";
    public const string CacheAvailable = "modm_cache_available";
    public const string StoreFailures = "modm_cache_store_failures_total";
    public const string Guarded = "modm_guarded_total";
    public const string SloMisses = "modm_slo_misses_total";
    public const string DegradeStep = "modm_degrade_step";
    public const string PlannedWorkers = "modm_planned_workers";
    public const string PredictedLatency = "modm_predicted_latency_seconds";
    public const string QualityRatio = "modm_quality_ratio";
    public const string QualityRatioLow = "modm_quality_ratio_low";
    public const string QualityRatioHigh = "modm_quality_ratio_high";
    public const string QualityDistance = "modm_quality_distance";
    public const string QualitySamples = "modm_quality_samples_total";
    public const string QualityRaised = "modm_quality_raised";
    public const string Audits = "modm_audits_total";
    public const string SavedSteps = "modm_saved_steps_total";
    public const string SavedGpuSeconds = "modm_saved_gpu_seconds_total";
    public const string LostGpuSeconds = "modm_lost_gpu_seconds_total";
    public const string CallersRefused = "modm_callers_refused_total";
    public const string KeysValid = "modm_callers_keys_valid";

    // Worker
    public const string GenerationSeconds = "modm_generation_seconds";
    public const string StepSeconds = "modm_step_seconds";
    public const string ModelLoadSeconds = "modm_model_load_seconds";
    public const string Tokens = "modm_tokens_total";
    public const string DecodeSeconds = "modm_decode_seconds";

    // Operator
    public const string ReconcileSeconds = "modm_operator_reconcile_seconds";
    public const string OperatorReplicas = "modm_operator_replicas";
    public const string OperatorWrites = "modm_operator_writes_total";
    public const string OperatorLeader = "modm_operator_leader";
    public const string MetricsAvailable = "modm_operator_metrics_available";
}

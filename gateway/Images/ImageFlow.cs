using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using MoDM.Api;
using MoDM.Gateway.Cache;
using MoDM.Gateway.Callers;
using MoDM.Gateway.Fleet;
using MoDM.Gateway.Forwarding;
using MoDM.Gateway.Quality;
using MoDM.Gateway.Scheduling;
using MoDM.Mixture;
using MoDM.Onnx;
using MoDM.Planning;

namespace MoDM.Gateway.Images;

/// <summary>The way of a request: embed, look up, decide, queue, draw, cache (arXiv 2503.11972, figure 3).</summary>
internal sealed class ImageFlow(
    ClipEmbedder embedder, IImageCache cache, CacheWriter writer, RequestQueue queue, LoadMeter meter, WorkerRegistry workers,
    WorkerForwarder forwarder, QualityFloor quality, AuditList audits, Ledger ledger, TimeProvider time)
{
    /// <summary>Workers that may die under one image before the request fails.</summary>
    private const int Attempts = 3;
    private const double DefaultEditStrength = 0.8;

    /// <summary>Images that a prompt is compared with word by word: where a guard keeps the most similar one from standing in, the next may.</summary>
    private const int Candidates = 8;

    /// <summary>To come back after, where the time that a worker takes to start is all there is to wait for.</summary>
    private const int StartSeconds = 5;
    private static readonly HitDecision GoneSource = new(CacheRoute.Miss, 0, "the cached image is gone or damaged");
    private static readonly TimeSpan BusyPause = TimeSpan.FromMilliseconds(50);

    private int _early;

    /// <summary>Decides about a valid request and puts its images into the queue.</summary>
    /// <param name="mixture">As it is when the request comes, and for this request from then on.</param>
    /// <param name="edited">The caller's picture, for an edit.</param>
    public async Task<(ImagePlan? Plan, ApiError? Error)> PlanAsync(
        ModelMixture mixture, Caller caller, ImageRequest request, byte[]? edited, CancellationToken cancel)
    {
        var arrival = queue.Now;
        if (await AwaitFirstWorkerAsync(mixture.Spec.Slo.Latency, cancel) is { } early) return (null, early);
        if (Deaf(mixture.Spec, request) is { } deaf)
            return (null, ApiError.BadRequest("negative_prompt", deaf));
        var (size, refusal) = SizeOf(request, workers.Sizes);
        if (refusal is not null) return (null, ApiError.BadRequest("size", refusal));

        // 1. Embed the prompt. 2. Find the most similar cached images. 3. Decide.
        var started = time.GetTimestamp();
        var prompt = embedder.EmbedText(request.Prompt!);
        var embedding = time.GetElapsedTime(started);
        var caching = mixture.Spec.Cache;
        var bucket = ImagePlan.BucketOf(
            caching.Sharing == CacheSharing.Tenant ? caller.Owner : "", embedder.Revision, size, request.NegativePrompt, request.GuidanceScale);
        var mode = ImagePlan.ModeOf(request);
        using var hurry = Hurry(caching, cancel);
        var candidates = edited is null && mode == CacheMode.Auto && !prompt.Truncated
            ? await cache.FindAsync(bucket, prompt.Vector, Candidates, hurry.Token) : [];
        var steps = request.NumInferenceSteps ?? mixture.Spec.Steps;
        var degrade = queue.Degrade;
        var (hits, raisedBy) = quality.InForce(caching);
        var (chosen, guard) = HitPolicy.Choose(
            request.Prompt!, [.. candidates.Select(c => (c.Similarity, c.Entry.Prompt))], hits.Count > 0 ? hits[0].Similarity : double.PositiveInfinity, caching.Guards);
        CacheMatch? match = chosen < 0 ? null : candidates[chosen];
        var question = new HitQuestion(mode, steps, prompt.Truncated, match?.Similarity, guard);
        var (usual, raised) = edited is null
            ? (HitPolicy.Decide(question, hits, aboveDocument: raisedBy), HitPolicy.Decide(question, hits, raised: true, raisedBy))
            : Both(new HitDecision(CacheRoute.Miss, StepPlan.Skip(steps, 1 - (request.Strength ?? DefaultEditStrength)),
                "an edit starts from the caller's own image"));
        var decision = degrade >= DegradeStep.HigherSkip ? raised : usual;

        // 4. Fetch the image that a hit starts from; one that is gone or damaged is a miss.
        var source = edited;
        if (decision.Route == CacheRoute.Hit && (source = await writer.ReadAsync(match!.Value.Entry.Id, forHit: true, hurry.Token)) is null)
            (decision, (usual, raised)) = (GoneSource, Both(GoneSource));
        cancel.ThrowIfCancellationRequested();
        var lookUp = time.GetElapsedTime(started) - embedding;

        // 5. Queue, unless it would be in vain.
        double WorkOf(HitDecision d) => (steps - d.SkipSteps) / (double)mixture.Spec.Steps;
        var (tickets, refused) = queue.Enqueue(
            new Arrival(arrival, decision.Route, request.N ?? 1, WorkOf(decision), WorkOf(usual), WorkOf(raised), caller.Tenant, caller.Weight));
        if (refused is { } why) return (null, Refuse(why));
        if (match is { } compared) GatewayMetrics.Similarity.Observe(compared.Similarity);
        if (decision.Route == CacheRoute.Hit)
        {
            GatewayMetrics.SkippedSteps.Observe(decision.SkipSteps);
            cache.Used(match!.Value.Entry.Id);
        }
        if (guard is { } fired) GatewayMetrics.Guarded.WithLabels(NameOf(fired.Guard)).Inc();
        return (new ImagePlan
        {
            Mixture = mixture,
            Caller = caller,
            Request = request,
            Decision = decision,
            Match = match,
            Guard = guard is { } verdict ? NameOf(verdict.Guard) : prompt.Truncated && mode == CacheMode.Auto && edited is null ? "tail" : null,
            Source = source,
            IsEdit = edited is not null,
            PromptCut = prompt.Truncated,
            Bucket = bucket,
            Size = size,
            Steps = steps,
            Seed = request.Seed ?? RandomNumberGenerator.GetInt32(int.MaxValue),
            Tickets = tickets!,
            Degrade = degrade,
            Embedding = embedding,
            LookUp = lookUp,
        }, null);
    }

    /// <summary>Draws image <paramref name="index"/> of a plan on whichever worker is free, on another when that one dies.</summary>
    /// <param name="onEvent">Gets progress and previews.</param>
    /// <exception cref="OperationCanceledException">The client went away.</exception>
    public async Task<(DrawnImage? Image, ApiError? Error)> DrawAsync(
        ImagePlan plan, int index, Func<ImageEvent, WorkerSlot, ValueTask> onEvent, CancellationToken cancel)
    {
        var ticket = plan.Tickets[index];
        for (int lost = 0, absent = 0; ;)
        {
            var turn = await queue.WaitAsync(ticket, cancel);
            if (turn.Worker is not { } worker) return (null, Late(plan, ticket));
            var waited = queue.Now - ticket.Queued;
            var answer = await DrawOnAsync(
                worker, JobFor(plan, index, worker.Model), e => onEvent(e, worker), ticket, wasAbsent: absent > 0, cancel);
            switch (answer.Outcome)
            {
                case WorkerOutcome.Completed:
                    GatewayMetrics.QueueSeconds.WithLabels(plan.RouteName).Observe(waited.TotalSeconds);
                    return (await FinishAsync(plan, index, worker, answer, ticket, waited, cancel), null);
                case WorkerOutcome.Refused:
                    return (null, answer.Error!.Status < 500
                        ? answer.Error : ApiError.Upstream($"{worker.Model} failed: {answer.Error.Message}"));
                case WorkerOutcome.Silent:
                    return (null, ApiError.Timeout($"{worker.Model} was silent for {SilenceFor(plan.Mixture).TotalSeconds:0} s."));
                case WorkerOutcome.Absent:
                    // No attempt: nothing was begun, and it is not asked again before it says that it is ready.
                    absent++;
                    break;
                case WorkerOutcome.Lost when ++lost >= Attempts:
                    return (null, ApiError.Upstream($"{lost} workers in a row went away while they drew this image."));
            }
        }
    }

    /// <summary>What can be drawn is known once a worker has been ready. As few wait for that as may wait in the queue.</summary>
    private async Task<ApiError?> AwaitFirstWorkerAsync(TimeSpan patience, CancellationToken cancel)
    {
        try
        {
            if (Interlocked.Increment(ref _early) > queue.Limit)
                return ApiError.Busy(
                    $"No worker has loaded its model yet, and {queue.Limit} requests wait for one. Try again in {StartSeconds} s.", StartSeconds);
            return await workers.WaitForFirstAsync(patience, cancel) ? null
                : ApiError.Unavailable($"No worker has loaded its model yet. Try again in {StartSeconds} s.", StartSeconds);
        }
        finally
        {
            Interlocked.Decrement(ref _early);
        }
    }

    /// <summary>How long a worker may say nothing: ten times the SLO, and never under a minute.</summary>
    public static TimeSpan SilenceFor(ModelMixture mixture) =>
        TimeSpan.FromSeconds(Math.Max(60, 10 * mixture.Spec.Slo.Latency.TotalSeconds));

    /// <summary>How many images go before this one, and when it should be there; null when it does not wait any more.</summary>
    public (int Ahead, LatencyEstimate? Expected)? Outlook(ImagePlan plan, int index) => queue.Outlook(plan.Tickets[index]);

    /// <summary>Seconds until an image of which so many steps are done; null before one of its kind has been timed.</summary>
    public double? SecondsLeft(ImagePlan plan, WorkerSlot worker, int step, int steps) =>
        meter.DrawSeconds(worker.Rank) * (steps - step) / plan.Mixture.Spec.Steps;

    /// <summary>Gives back the places of images that nobody will ask for.</summary>
    public void Abandon(ImagePlan plan)
    {
        foreach (var ticket in plan.Tickets)
            queue.GiveUp(ticket);
    }

    /// <param name="wasAbsent">The image was given time for another worker before, since one was not there.</param>
    private async Task<WorkerAnswer> DrawOnAsync(
        WorkerSlot worker, WorkerJob job, Func<ImageEvent, ValueTask> onEvent, Ticket ticket, bool wasAbsent, CancellationToken cancel)
    {
        var started = Stopwatch.GetTimestamp();
        WorkerAnswer? answer = null;
        try
        {
            answer = workers.AddressOf(worker) is { } address
                ? await forwarder.DrawAsync(address, job, onEvent, cancel) : new WorkerAnswer(WorkerOutcome.Absent);
            var (lost, absent) = (answer.Outcome == WorkerOutcome.Lost, answer.Outcome == WorkerOutcome.Absent);
            if (lost || absent) workers.Suspect(worker);
            if (lost || absent || answer.Outcome == WorkerOutcome.Busy) queue.Requeue(ticket, lost || absent && !wasAbsent);
            // Its slot stays taken for a moment, so that the image is not sent to the busy worker over and over.
            if (answer.Outcome == WorkerOutcome.Busy) await Task.Delay(BusyPause, time, cancel);
            return answer;
        }
        finally
        {
            var took = Stopwatch.GetElapsedTime(started).TotalSeconds;
            queue.Finished(ticket, worker, answer?.Outcome == WorkerOutcome.Completed ? took : null);
        }
    }

    public static WorkerJob JobFor(ImagePlan plan, int index, string model)
    {
        var request = plan.Request;
        var pool = plan.Mixture.Spec.Pools.First(p => p.Name == model);
        return new WorkerJob(new ImageRequest
        {
            Prompt = request.Prompt,
            NegativePrompt = request.NegativePrompt,
            N = 1,
            Size = plan.Size,
            Seed = plan.Seed + index,
            NumInferenceSteps = plan.Steps,
            GuidanceScale = request.GuidanceScale ?? pool.GuidanceScale,
            SkipSteps = plan.Source is null ? null : plan.Decision.SkipSteps,
            Stream = true,
            PartialImages = request.PartialImages is > 0 ? request.PartialImages : null,
            OutputFormat = "png",
        }, plan.Source);
    }

    private async Task<DrawnImage> FinishAsync(
        ImagePlan plan, int index, WorkerSlot worker, WorkerAnswer answer, Ticket ticket, TimeSpan waited, CancellationToken cancel)
    {
        var part = answer.Part ?? new ImagePart
        {
            Seed = plan.Seed + index,
            Model = worker.Model,
            Steps = plan.Steps,
            SkippedSteps = plan.Decision.SkipSteps,
        };
        var record = RecordOf(plan, part, answer.Image);
        var admission = CacheAdmission.Decide(
            new AdmissionQuestion(
                plan.Mode, worker.IsLarge, plan.Steps, plan.Mixture.Spec.Steps, plan.PromptCut, plan.IsEdit, record.Lineage.Count),
            plan.Mixture.Spec.Cache.Admit, plan.Mixture.Spec.Cache.MaxLineage);
        var byUrl = plan.Request.ResponseFormat == "url";
        if (!admission.Admit) record = record with { IsSource = false, Prompt = "" };
        using var hurry = Hurry(plan.Mixture.Spec.Cache, cancel);
        bool? stored = byUrl ? await cache.KeepAsync(record.Id, answer.Image, hurry.Token) : null;
        if (admission.Admit || byUrl) writer.Add(record, answer.Image);
        if (plan.Decision.Route == CacheRoute.Hit) ledger.Count(plan, part);
        audits.Offer(plan, index, answer.Image);
        part = part with
        {
            Id = admission.Admit || byUrl ? record.Id : null,
            Stored = stored,
            QueueMs = Math.Round(waited.TotalMilliseconds, 2),
            EstimatedMs = ticket.Expected is { } expected ? Math.Round(1000 * expected.Expected) : null,
        };
        return new DrawnImage(answer.Image, part, record) { BySmall = !worker.IsLarge, Url = stored == true ? cache.UrlOf(record.Id) : null };
    }

    private CacheEntry RecordOf(ImagePlan plan, ImagePart part, byte[] image)
    {
        var source = plan.Decision.Route == CacheRoute.Hit ? plan.Match : null;
        return new CacheEntry
        {
            Id = ImageId.Of(plan.Caller.Owner, image),
            Bucket = plan.Bucket,
            Prompt = plan.Request.Prompt!,
            PromptHash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(plan.Request.Prompt!))),
            Mixture = plan.Mixture.Name,
            Model = part.Model,
            Revision = part.Revision,
            Sampler = part.Sampler,
            Guidance = part.Guidance,
            Seed = part.Seed,
            Steps = plan.Steps,
            SkippedSteps = plan.Decision.SkipSteps,
            Similarity = source is { } match ? Math.Round(match.Similarity, 4) : null,
            Lineage = source is { } from ? [from.Entry.Id, .. from.Entry.Lineage] : [],
            User = Caller.HashOf(plan.Request.User ?? ""),
            Created = time.GetUtcNow().ToUnixTimeMilliseconds(),
            Bytes = image.Length,
        };
    }

    /// <summary>What a request waits for a store outside at most, in all; the store takes it as no answer.</summary>
    private static CancellationTokenSource Hurry(CacheSpec cache, CancellationToken cancel)
    {
        var hurry = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        if (cache.Shared is not null) hurry.CancelAfter(cache.LookUpDeadline);
        return hurry;
    }

    private static string NameOf(PromptGuard guard) => guard.ToString().ToLowerInvariant();

    public static ApiError Refuse(Refusal why) => why.QueueFull
        ? ApiError.Busy($"The queue is full: {why.Reason}. Try again in {why.RetryAfterSeconds} s.", why.RetryAfterSeconds)
        : ApiError.Busy($"This cannot be done in time: {why.Reason}. Try again in {why.RetryAfterSeconds} s.",
            why.RetryAfterSeconds, "deadline_exceeded");

    private ApiError Late(ImagePlan plan, Ticket ticket)
    {
        var retryAfter = queue.RetryAfterSeconds(ticket);
        return workers.AnyReady(large: true) || ticket.Route == CacheRoute.Hit && workers.AnyReady(large: false)
            ? ApiError.Busy(
                $"No worker was free in time for {plan.Mixture.Spec.Slo.Latency.TotalSeconds:0.#} s. Try again in {retryAfter} s.",
                retryAfter, "deadline_exceeded")
            : ApiError.Unavailable("No worker that could draw this is running.", Math.Max(StartSeconds, retryAfter));
    }

    private static (HitDecision Usual, HitDecision Raised) Both(HitDecision decision) => (decision, decision);

    /// <summary>The size to draw: any model of the mixture may have to draw it.</summary>
    private static (string Size, string? Refusal) SizeOf(ImageRequest request, IReadOnlyList<SizeRule> rules)
    {
        if (request.Size is null or "auto")
        {
            var common = rules.FirstOrDefault(mine => rules.All(r => r.Refuse(mine.Width, mine.Height) is null));
            return ((common ?? rules[0]).Default(), null);
        }
        var (width, height) = ImageRequestReader.ParseSize(request.Size)!.Value;
        return ($"{width}x{height}", rules.Select(r => r.Refuse(width, height)).FirstOrDefault(r => r is not null));
    }

    /// <summary>Guidance of at most 1 does not look at a negative prompt, and any model of the mixture may draw (complaint 18).</summary>
    private static string? Deaf(MixtureSpec spec, ImageRequest request)
    {
        if (string.IsNullOrEmpty(request.NegativePrompt)) return null;
        var pool = spec.Pools.FirstOrDefault(p => (request.GuidanceScale ?? p.GuidanceScale) <= 1);
        return pool is null ? null
            : $"is not looked at by {pool.Name} with a guidance scale of 1 or less; leave it out, or send a higher guidance_scale.";
    }
}

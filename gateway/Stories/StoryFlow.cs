using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using MoDM.Api;
using MoDM.Gateway.Callers;
using MoDM.Gateway.Fleet;
using MoDM.Gateway.Forwarding;
using MoDM.Gateway.Images;
using MoDM.Gateway.Scheduling;
using MoDM.Mixture;

namespace MoDM.Gateway.Stories;

/// <summary>
/// The way of a text: choose who writes, ask the external model, and let a worker of ours write it, or the rest of it, when
/// that one fails (arXiv 2410.10848 compares the two).
/// </summary>
internal sealed class StoryFlow(
    ExternalGate gate, RequestQueue queue, WorkerRegistry workers, CompletionsClient inside, CompletionsClient outside, TimeProvider time)
{
    /// <summary>Workers that may die under one text before the request fails.</summary>
    private const int Attempts = 3;

    /// <summary>Shares of the SLO: for the external model's first words, between two pieces, and for its whole text. What is left is the worker's.</summary>
    private const double FirstShare = 0.5, NextShare = 0.25, AllShare = 0.8;
    private static readonly TimeSpan BusyPause = TimeSpan.FromMilliseconds(50);

    /// <summary>Decides about a valid request.</summary>
    public (StoryPlan? Plan, ApiError? Error) Plan(ModelMixture mixture, Caller caller, StoryRequest request)
    {
        var spec = mixture.Spec;
        StoryMember? asked = request.Model is null || request.Model == mixture.Name ? StoryMember.Mixture
            : request.Model == spec.External?.Name ? StoryMember.External
            : spec.Pools.Any(p => p.Name == request.Model) ? StoryMember.Own : null;
        if (asked is not { } member)
        {
            return (null, ApiError.NotFound(
                $"There is no model \"{request.Model}\" here; there are {string.Join(", ", NamesOf(mixture))}.", "model", "model_not_found"));
        }
        if (StoryPolicy.Decide(member, gate.Look()) is { Refused: true } refusal) return (null, CannotBeAsked(request, refusal));
        var n = request.N ?? 1;
        return (new StoryPlan
        {
            Mixture = mixture,
            Caller = caller,
            Request = request,
            HasOwnInstructions = request is { Messages: not null, IsEnding: false },
            Id = (request.Messages is null ? "cmpl-" : "chatcmpl-") + RandomNumberGenerator.GetHexString(24, lowercase: true),
            Member = member,
            Seed = request.Seed ?? RandomNumberGenerator.GetInt32(int.MaxValue),
            MaxTokens = request.MaxTokens ?? spec.Steps,
            Texts = [.. request.Prompts.SelectMany(p => Enumerable.Repeat(PromptOf(request, p), n))],
        }, null);
    }

    /// <summary>The mixture first, then its members.</summary>
    public static IEnumerable<string> NamesOf(ModelMixture mixture) =>
        [mixture.Name, .. mixture.Spec.External is { } external ? [external.Name] : Array.Empty<string>(), .. mixture.Spec.Pools.Select(p => p.Name)];

    /// <param name="onPiece">Gets each piece as it comes, and says whether more is wanted.</param>
    /// <exception cref="OperationCanceledException">The client went away.</exception>
    public async Task<(WrittenStory? Story, ApiError? Error)> WriteAsync(
        StoryPlan plan, int index, Func<StoryPiece, ValueTask<bool>> onPiece, CancellationToken cancel)
    {
        var (text, pieces, begunBy) = (new StringBuilder(), 0, "");
        var (decision, leave) = await DecideAsync(plan, index, cancel);
        if (decision.Refused) return (null, CannotBeAsked(plan.Request, decision));
        // Of a request with many texts each has its time from here on.
        var came = queue.Now;
        var why = new StoryProvenance(NameOf(decision.Route), decision.Reason);
        if (leave is not null)
        {
            var name = leave.Model.Name;
            var (result, error) = await AskExternalAsync(plan, index, leave, piece =>
            {
                pieces++;
                text.Append(piece);
                return onPiece(new StoryPiece(piece, name, why));
            }, cancel);
            if (result.Outcome == WorkerOutcome.Completed)
                return (new WrittenStory(text.ToString(), result.FinishReason, name, why, result.Usage), null);
            // It broke off where it would have ended.
            if (pieces >= plan.MaxTokens) return (new WrittenStory(text.ToString(), "length", name, why, null), null);
            if (error is not null) return (null, error);
            why = new StoryProvenance(NameOf(StoryRoute.Fallback), $"{name} {result.Why}");
            if (text.Length > 0) begunBy = $"{name}+";
        }
        return await WriteHereAsync(plan, index, came, text, new Begun(text.ToString(), pieces, begunBy), why, onPiece, cancel);
    }

    /// <summary>Who writes a text, when one of the request's places is free: much may have changed since the request came.</summary>
    private async Task<(StoryDecision Decision, ExternalLeave? Leave)> DecideAsync(StoryPlan plan, int index, CancellationToken cancel)
    {
        if (StoryPolicy.Decide(plan.Member, gate.Look()) is { Route: not StoryRoute.Large } here) return (here, null);
        await plan.Places.WaitAsync(cancel);
        var (decision, leave) = gate.Ask(plan.Member, plan.PromptTokens(index) + plan.MaxTokens);
        if (leave is null) plan.Places.Release();
        return (decision, leave);
    }

    private async Task<(TextResult Result, ApiError? Error)> AskExternalAsync(
        StoryPlan plan, int index, ExternalLeave leave, Func<string, ValueTask<bool>> onText, CancellationToken cancel)
    {
        var (model, named) = (leave.Model, plan.Member == StoryMember.External);
        var (slo, silence) = (plan.Mixture.Spec.Slo.Latency, ImageFlow.SilenceFor(plan.Mixture));
        var (pieces, usage) = (0, default(TokenUsage));
        TextResult result;
        try
        {
            result = await outside.WriteAsync(
                new TextCall(
                    new Uri(model.BaseUrl), model.Api == ExternalApi.Chat ? "/chat/completions" : "/completions", plan.ExternalBody(index, model), leave.Key,
                    named ? silence : slo * FirstShare, named ? silence : slo * NextShare, named ? 10 * silence : slo * AllShare),
                piece =>
                {
                    pieces++;
                    return onText(piece);
                }, cancel);
            usage = result.Usage;
        }
        finally
        {
            // A text that was cut short was not counted by the server: about so many.
            gate.Settle(leave, usage ?? (pieces > 0 ? new TokenUsage(plan.PromptTokens(index), pieces) : null));
            plan.Places.Release();
        }
        if (result.Outcome == WorkerOutcome.Completed)
        {
            gate.Succeeded();
            return (result, null);
        }
        // What is wrong with one request says nothing of the next.
        if (result.Status is not (400 or 413 or 422)) gate.Failed(leave, $"{model.Name} {result.Why}", result.RetryAfter);
        if (!named) return (result, null);
        var message = $"{model.Name} {result.Why}.";
        return (result, result.Status is 400 or 413 or 422 ? result.Error ?? new ApiError(result.Status, message, "invalid_request_error", null, "external_refused")
            : result.Status == 429 ? ApiError.Busy(message, Math.Max(1, (int)(result.RetryAfter?.TotalSeconds ?? 1)), "external_limit")
            : result.Outcome == WorkerOutcome.Silent ? ApiError.Timeout(message) : ApiError.Upstream(message));
    }

    private async Task<(WrittenStory? Story, ApiError? Error)> WriteHereAsync(
        StoryPlan plan, int index, TimeSpan came, StringBuilder text, Begun begun, StoryProvenance why, Func<StoryPiece, ValueTask<bool>> onPiece,
        CancellationToken cancel)
    {
        var work = plan.Work(begun);
        var (tickets, refused) = queue.Enqueue(new Arrival(came, CacheRoute.Miss, 1, work, work, work, plan.Caller.Tenant, plan.Caller.Weight));
        if (refused is { } refusal)
        {
            var error = ImageFlow.Refuse(refusal);
            return (null, error with { Message = error.Message.Replace("image", "text", StringComparison.Ordinal) });
        }
        var ticket = tickets![0];
        try
        {
            for (var lost = 0; ;)
            {
                var turn = await queue.WaitAsync(ticket, cancel);
                if (turn.Worker is not { } worker)
                {
                    var seconds = queue.RetryAfterSeconds(ticket);
                    return (null, workers.AnyReady(large: true) || workers.AnyReady(large: false)
                        ? ApiError.Busy($"No worker was free in time. Try again in {seconds} s.", seconds, "deadline_exceeded")
                        : ApiError.Unavailable($"No worker that could write this is running. Try again in {seconds} s.", seconds));
                }
                var answer = await WriteOnAsync(plan, index, worker, ticket, begun, text, p => onPiece(new StoryPiece(p, worker.Model, why)), cancel);
                switch (answer.Outcome)
                {
                    case WorkerOutcome.Completed:
                        return (new WrittenStory(text.ToString(), answer.FinishReason, begun.By + worker.Model, why, begun.Count(answer.Usage)), null);
                    case WorkerOutcome.Refused:
                        return (null, answer is { Status: < 500, Error: { } error } ? error : ApiError.Upstream($"{worker.Model} {answer.Why}."));
                    case WorkerOutcome.Silent:
                        return (null, ApiError.Timeout($"{worker.Model} {answer.Why}."));
                    case WorkerOutcome.Lost when ++lost >= Attempts:
                        return (null, ApiError.Upstream($"{lost} workers in a row went away while they wrote this text."));
                }
            }
        }
        finally
        {
            queue.GiveUp(ticket);
        }
    }

    private async Task<TextResult> WriteOnAsync(
        StoryPlan plan, int index, WorkerSlot worker, Ticket ticket, Begun begun, StringBuilder text, Func<string, ValueTask<bool>> onText, CancellationToken cancel)
    {
        var started = Stopwatch.GetTimestamp();
        TextResult? answer = null;
        // The same seed writes the same text: what a worker that died had written is not sent twice.
        var known = text.Length - begun.Text.Length;
        try
        {
            var silence = ImageFlow.SilenceFor(plan.Mixture);
            answer = workers.AddressOf(worker) is { } address
                ? await inside.WriteAsync(
                    new TextCall(address, "/v1/completions", plan.WorkerBody(index, begun), null, silence, silence, 10 * silence),
                    piece =>
                    {
                        var skipped = Math.Min(known, piece.Length);
                        known -= skipped;
                        if (skipped == piece.Length) return ValueTask.FromResult(true);
                        text.Append(piece[skipped..]);
                        return onText(piece[skipped..]);
                    }, cancel)
                : new TextResult(WorkerOutcome.Absent);
            var (lost, absent) = (answer.Outcome == WorkerOutcome.Lost, answer.Outcome == WorkerOutcome.Absent);
            if (lost || absent) workers.Suspect(worker);
            if (lost || absent || answer.Outcome == WorkerOutcome.Busy) queue.Requeue(ticket, renew: lost);
            if (answer.Outcome == WorkerOutcome.Busy) await Task.Delay(BusyPause, time, cancel);
            return answer;
        }
        finally
        {
            var took = Stopwatch.GetElapsedTime(started).TotalSeconds;
            queue.Finished(ticket, worker, answer?.Outcome == WorkerOutcome.Completed ? took : null);
        }
    }

    /// <summary>A worker's text begins with a blank where the prompt has none; in a chat, or an ending, it does not.</summary>
    private static StoryPrompt PromptOf(StoryRequest request, string prompt) => request.Messages is { } messages
        ? new StoryPrompt(messages, $"{prompt.TrimEnd()} ")
        : new StoryPrompt([new ChatMessage("system", "Write on from where the text ends. Answer with what follows, and nothing else."), new ChatMessage("user", prompt)], prompt);

    private static ApiError CannotBeAsked(StoryRequest request, StoryDecision decision) =>
        new(503, $"{request.Model} cannot be asked: {decision.Reason}.", "server_error", "model", "external_unavailable");

    private static string NameOf(StoryRoute route) => route.ToString().ToLowerInvariant();
}

using Microsoft.Extensions.DependencyInjection;
using MoDM.Api;
using MoDM.Fakes;
using MoDM.Gateway.Forwarding;
using Yarp.ReverseProxy.Forwarder;

namespace MoDM.Gateway.Tests;

public sealed class WorkerForwarderTests : IDisposable
{
    private readonly HttpMessageInvoker _http = WorkerForwarder.Connections();
    private readonly ServiceProvider _services = new ServiceCollection().AddLogging().AddHttpForwarder().BuildServiceProvider();

    public void Dispose()
    {
        _http.Dispose();
        _services.Dispose();
    }

    [Theory]
    [InlineData(10, WorkerOutcome.Completed)] // Complaint 12: silent for long, within what the mixture allows.
    [InlineData(0.5, WorkerOutcome.Silent)]
    internal async Task Silence_is_allowed_for_as_long_as_the_mixture_says(double patience, WorkerOutcome outcome)
    {
        await using var worker = await FakeWorker.StartAsync("m");
        worker.Silence = TimeSpan.FromSeconds(2);

        Assert.Equal(outcome, (await DrawAsync(worker, patience)).Outcome);
    }

    [Fact]
    public async Task Steps_that_keep_coming_are_not_silence_however_long_it_takes()
    {
        await using var worker = await FakeWorker.StartAsync("m");
        worker.StepTime = TimeSpan.FromMilliseconds(60);

        Assert.Equal(WorkerOutcome.Completed, (await DrawAsync(worker, 1)).Outcome);
    }

    [Fact]
    public async Task A_refused_connection_is_a_lost_worker()
    {
        var worker = await FakeWorker.StartAsync("m");
        await worker.DisposeAsync();

        Assert.Equal(WorkerOutcome.Lost, (await DrawAsync(worker, 10)).Outcome);
    }

    [Fact]
    public async Task A_picture_travels_as_a_form_with_every_field()
    {
        await using var worker = await FakeWorker.StartAsync("m");
        var request = new ImageRequest { Prompt = "a red kite, \"quoted\"\r\n--", Seed = 3, NumInferenceSteps = 50, SkipSteps = 15, GuidanceScale = 2.5, Stream = true, N = 1 };

        var answer = await Forwarder().DrawAsync(worker.Address, new WorkerJob(request, [.. Enumerable.Range(0, 256).Select(i => (byte)i)]), TimeSpan.FromSeconds(10), _ => default, TestContext.Current.CancellationToken);

        Assert.Equal(WorkerOutcome.Completed, answer.Outcome);
        Assert.Equal(request, worker.Jobs.Single().Request);
        Assert.Equal(256, worker.Jobs.Single().Source!.Length);
    }

    [Fact]
    public async Task A_cancel_between_two_events_stops_the_worker_at_once()
    {
        // Complaint 21. When no read is pending, nothing but the end of the connection tells the worker.
        await using var worker = await FakeWorker.StartAsync("m");
        worker.StepTime = TimeSpan.FromMilliseconds(100);
        using var leave = new CancellationTokenSource();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Forwarder().DrawAsync(worker.Address,
            new WorkerJob(new ImageRequest { Prompt = "red", Seed = 1, Stream = true, NumInferenceSteps = 100 }, null), TimeSpan.FromSeconds(10),
            async _ => await leave.CancelAsync(), leave.Token));

        var job = worker.Jobs.Single();
        await GatewayProcess.Eventually(() => Task.FromResult(job.Cancelled));
        Assert.InRange(job.StepsDone, 1, 10);
    }

    private WorkerForwarder Forwarder() => new(_services.GetRequiredService<IHttpForwarder>(), _http);

    private Task<WorkerAnswer> DrawAsync(FakeWorker worker, double patience) => Forwarder().DrawAsync(worker.Address,
        new WorkerJob(new ImageRequest { Prompt = "red", Seed = 1, Stream = true }, null), TimeSpan.FromSeconds(patience), _ => default, TestContext.Current.CancellationToken);
}

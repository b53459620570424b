using System.Net;
using System.Net.Sockets;
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
    public async Task A_refused_connection_is_an_absent_worker()
    {
        var worker = await FakeWorker.StartAsync("m");
        await worker.DisposeAsync();

        Assert.Equal(WorkerOutcome.Absent, (await DrawAsync(worker, 10)).Outcome);
    }

    [Fact]
    public async Task A_host_that_answers_nothing_at_all_is_an_absent_worker_too()
    {
        // Its backlog is full, so that nobody answers: as an address whose pod has gone.
        using var silent = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        silent.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        silent.Listen(0);
        var callers = Enumerable.Range(0, 4).Select(_ => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)).ToList();
        foreach (var caller in callers)
            _ = caller.ConnectAsync(silent.LocalEndPoint!, TestContext.Current.CancellationToken).AsTask();
        var address = new Uri($"http://{silent.LocalEndPoint}");

        var answer = await Forwarder(60).DrawAsync(address, Red, _ => default, TestContext.Current.CancellationToken);

        Assert.Equal(WorkerOutcome.Absent, answer.Outcome);
        callers.ForEach(c => c.Dispose());
    }

    [Fact]
    public async Task A_picture_travels_as_a_form_with_every_field()
    {
        await using var worker = await FakeWorker.StartAsync("m");
        var request = new ImageRequest { Prompt = "a red kite, \"quoted\"\r\n--", Seed = 3, NumInferenceSteps = 50, SkipSteps = 15, GuidanceScale = 2.5, Stream = true, N = 1 };

        var answer = await Forwarder(10).DrawAsync(worker.Address, new WorkerJob(request, [.. Enumerable.Range(0, 256).Select(i => (byte)i)]), _ => default, TestContext.Current.CancellationToken);

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

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Forwarder(10).DrawAsync(worker.Address,
            new WorkerJob(new ImageRequest { Prompt = "red", Seed = 1, Stream = true, NumInferenceSteps = 100 }, null),
            async _ => await leave.CancelAsync(), leave.Token));

        var job = worker.Jobs.Single();
        await GatewayProcess.Eventually(() => Task.FromResult(job.Cancelled));
        Assert.InRange(job.StepsDone, 1, 10);
    }

    private static WorkerJob Red => new(new ImageRequest { Prompt = "red", Seed = 1, Stream = true }, null);

    private WorkerForwarder Forwarder(double patience) =>
        new(_services.GetRequiredService<IHttpForwarder>(), _http, () => TimeSpan.FromSeconds(patience));

    private Task<WorkerAnswer> DrawAsync(FakeWorker worker, double patience) => Forwarder(patience).DrawAsync(worker.Address, Red, _ => default, TestContext.Current.CancellationToken);
}

using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using MoDM.Fakes;

namespace MoDM.Worker.Tests;

/// <summary>The worker as its users meet it: a process that speaks HTTP.</summary>
public sealed class WorkerProcess : IAsyncDisposable
{
    private readonly StringBuilder _errors = new();

    private WorkerProcess(Process process) => Process = process;

    public Process Process { get; }
    public HttpClient Http { get; } = new() { Timeout = TimeSpan.FromMinutes(2) };

    public string Errors
    {
        get
        {
            lock (_errors)
                return _errors.ToString();
        }
    }

    /// <summary>Starts a process and leaves it to the caller what comes of it.</summary>
    public static WorkerProcess Launch(params string[] arguments)
    {
        // artifacts/bin/MoDM.Worker/debug, beside this test's own folder.
        var configuration = Path.GetFileName(Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory));
        var file = Repo.File("artifacts", "bin", "MoDM.Worker", configuration, "MoDM.Worker.dll");
        var start = new ProcessStartInfo("dotnet", [file, .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        var worker = new WorkerProcess(Process.Start(start)!);
        worker.Process.ErrorDataReceived += (_, e) =>
        {
            lock (worker._errors)
                worker._errors.AppendLine(e.Data);
        };
        worker.Process.BeginErrorReadLine();
        return worker;
    }

    /// <summary>Starts a worker and waits for the line that names its address.</summary>
    public static async Task<WorkerProcess> ListenAsync(params string[] arguments)
    {
        var worker = Launch(arguments);
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        var line = await worker.Process.StandardOutput.ReadLineAsync(limit.Token);
        const string Start = "modm-worker listening on ";
        if (line?.StartsWith(Start, StringComparison.Ordinal) != true)
            throw new InvalidOperationException($"{line}\n{worker.Errors}");
        worker.Http.BaseAddress = new Uri(line[Start.Length..]);
        return worker;
    }

    public static async Task<WorkerProcess> ReadyAsync(params string[] arguments)
    {
        var worker = await ListenAsync(arguments);
        var watch = Stopwatch.StartNew();
        while ((await worker.Http.GetAsync("/readyz")).StatusCode != HttpStatusCode.OK)
        {
            if (watch.Elapsed > TimeSpan.FromSeconds(30))
                throw new TimeoutException(worker.Errors);
            await Task.Delay(20);
        }
        return worker;
    }

    public Task<HttpResponseMessage> GenerateAsync(object body) => GenerateUntilAsync(body, TestContext.Current.CancellationToken);

    /// <summary>A client that leaves when <paramref name="left"/> is cancelled.</summary>
    public Task<HttpResponseMessage> GenerateUntilAsync(object body, CancellationToken left) => Http.SendAsync(
        new HttpRequestMessage(HttpMethod.Post, "/v1/images/generations") { Content = Json(body) },
        HttpCompletionOption.ResponseHeadersRead, left);

    /// <summary>An image that nobody waits for.</summary>
    public Task<HttpResponseMessage> GenerateInBackgroundAsync(object body)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, "/v1/images/generations") { Content = Json(body) };
        request.Headers.Add(Api.WorkerHeaders.Background, "true");
        return Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
    }

    public Task<HttpResponseMessage> PostAsync(string path, object body, CancellationToken left = default) => Http.SendAsync(
        new HttpRequestMessage(HttpMethod.Post, path) { Content = Json(body) }, HttpCompletionOption.ResponseHeadersRead, left);

    public Task<HttpResponseMessage> EditAsync(byte[]? image, params (string Name, string Value)[] fields)
    {
        var form = new MultipartFormDataContent();
        if (image is not null)
        {
            var file = new ByteArrayContent(image);
            file.Headers.ContentType = new MediaTypeHeaderValue("image/png");
            form.Add(file, "image", "picture.png");
        }
        foreach (var (name, value) in fields)
            form.Add(new StringContent(value), name);
        return Http.PostAsync("/v1/images/edits", form);
    }

    /// <summary>Events of a stream as they come: name and data.</summary>
    public static async IAsyncEnumerable<(string Name, JsonElement Data)> EventsAsync(HttpResponseMessage response)
    {
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        var name = "";
        while (await reader.ReadLineAsync() is { } line)
        {
            if (line.StartsWith("event: ", StringComparison.Ordinal))
                name = line[7..];
            else if (line.StartsWith("data: ", StringComparison.Ordinal))
                yield return (name, Parse(line[6..]));
        }
    }

    public static async Task<JsonElement> BodyAsync(HttpResponseMessage response) => Parse(await response.Content.ReadAsStringAsync());

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        if (!Process.HasExited)
            Process.Kill();
        await Process.WaitForExitAsync();
        Process.Dispose();
    }

    private static StringContent Json(object body) => new(
        body as string ?? JsonSerializer.Serialize(body), Encoding.UTF8, "application/json");

    private static JsonElement Parse(string text)
    {
        using var document = JsonDocument.Parse(text);
        return document.RootElement.Clone();
    }
}

/// <summary>One worker of the small model for all tests of a class.</summary>
public sealed class SmallWorker : IAsyncLifetime
{
    public WorkerProcess Worker { get; private set; } = null!;

    public async ValueTask InitializeAsync() =>
        Worker = await WorkerProcess.ReadyAsync("--model", Repo.Model("postcards-small"), "--threads", "1");

    public ValueTask DisposeAsync() => Worker.DisposeAsync();
}

/// <summary>One worker of the story model for all tests of a class.</summary>
public sealed class StoryWorker : IAsyncLifetime
{
    public WorkerProcess Worker { get; private set; } = null!;

    public async ValueTask InitializeAsync() =>
        Worker = await WorkerProcess.ReadyAsync("--model", Repo.Model("postcards-mamba"), "--threads", "1", "--max-prompt-tokens", "500");

    public ValueTask DisposeAsync() => Worker.DisposeAsync();
}

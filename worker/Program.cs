using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using MoDM.Http;
using MoDM.Onnx;
using MoDM.Worker;
using MoDM.Worker.Pipelines;
using MoDM.Worker.Stories;
using Prometheus;

// 1. The command line and the folder, before anything listens: what is wrong with them, all at once, and exit code 2.
var (options, problems) = WorkerOptions.Parse(args, Environment.ProcessorCount, OnnxModel.HasCuda);
if (options is null)
    return Refuse([.. problems, WorkerOptions.Usage]);
ModelFolder? images = null;
StoryFolder? stories = null;
try
{
    if (StoryFolder.Is(options.Model))
        stories = StoryFolder.Read(options.Model);
    else
        images = ModelFolder.Read(options.Model);
}
catch (ModelException e)
{
    return Refuse([e.Message]);
}
if (options.ExitWithStdin)
    ParentWatch.Start(() => Environment.Exit(0)); // Nobody is left to answer, so nothing is worth finishing.

// 2. Services. A drain may take as long as the longest generation (complaint row 6).
var builder = WebApplication.CreateSlimBuilder();
builder.Logging.ClearProviders()
    .AddConsole(c => c.LogToStandardErrorThreshold = LogLevel.Trace)
    .SetMinimumLevel(LogLevel.Warning)
    .AddFilter("Microsoft.Extensions.Hosting", LogLevel.Critical);
// Container images set ports of their own; --urls is what counts.
builder.WebHost.UseSetting(WebHostDefaults.HttpPortsKey, "")
    .UseUrls(options.Url)
    .ConfigureKestrel(k => k.AddServerHeader = false);
builder.Services.Configure<HostOptions>(h => h.ShutdownTimeout = TimeSpan.FromMinutes(10));
var registry = Metrics.NewCustomRegistry();
builder.Services.AddSingleton(options)
    .AddSingleton(TimeProvider.System)
    .AddSingleton(new LoadMetrics(registry))
    .AddSingleton<ModelLoading>()
    .AddHostedService(s => s.GetRequiredService<ModelLoading>())
    .AddHostedService<Draining>();
if (stories is not null)
    builder.Services.AddStories(stories, options, registry);
else
    builder.Services.AddImages(images!, options, registry);

// 3. Pipeline: errors in OpenAI's shape around everything, then the routes.
var app = builder.Build();
app.UseApiErrors($"this worker has {(stories is null ? WorkerApi.Routes : StoriesApi.Routes)}, POST and DELETE /drain, GET /livez, /readyz and /metrics");
app.MapProbes();
app.MapMetrics("/metrics", registry);
if (stories is not null)
    app.MapStories();
else
    app.MapImages();

try
{
    await app.StartAsync();
}
catch (IOException e)
{
    return Refuse([$"--urls: {e.Message}"]);
}
var address = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
Console.WriteLine($"modm-worker listening on {address}");
await app.WaitForShutdownAsync();
var failure = app.Services.GetRequiredService<ModelLoading>().Failure;
await app.DisposeAsync();
return failure is null ? 0 : Refuse([failure]);

static int Refuse(IEnumerable<string> lines)
{
    foreach (var line in lines)
        Console.Error.WriteLine(line);
    return 2;
}

using MoDM.Operator;
using MoDM.Operator.Resources;

// 1. "crd" prints the CustomResourceDefinition, and that is all.
if (args is ["crd"] or ["crd", "--no-cel"])
{
    Console.Write(CrdManifest.Yaml(cel: args.Length == 1));
    return 0;
}

// 2. The command line: all mistakes at once, exit code 2.
var (options, problems) = OperatorOptions.Read(args);
if (options is null)
    return Refuse([.. problems, OperatorOptions.Usage]);

// 3. The API server, and a CRD that knows what this version knows.
using var interrupted = new CancellationTokenSource();
Console.CancelKeyPress += (_, _) => interrupted.Cancel();
var (api, hasDisruptionBudgets, problem) = await Parts.ConnectAsync(options, interrupted.Token);
if (api is null)
    return Refuse([problem!]);

// 4. The parts: watches and queue, the lease, and one reconciler for mixtures.
var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
builder.AddOperatorDefaults(options);
builder.Services.AddReconciling(options, api, hasDisruptionBudgets);

// 5. Health and metrics, and run until told to stop; the lease is given back at the end.
var app = builder.Build();
app.MapHealth();
try
{
    await app.StartAsync();
}
catch (IOException e)
{
    return Refuse([$"--urls: {e.Message}"]);
}
Console.WriteLine($"modm-operator listening on {app.Urls.First()}");
await app.WaitForShutdownAsync();
await app.DisposeAsync();
return 0;

static int Refuse(IEnumerable<string> lines)
{
    foreach (var line in lines)
        Console.Error.WriteLine(line);
    return 2;
}

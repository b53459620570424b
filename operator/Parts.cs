using System.Net;
using System.Text.Json;
using k8s.Exceptions;
using Microsoft.Extensions.Logging.Console;
using MoDM.Cluster;
using MoDM.Operator.Cluster;
using MoDM.Operator.Load;
using MoDM.Operator.Reconciling;
using MoDM.Operator.Resources;
using Prometheus;

namespace MoDM.Operator;

/// <summary>How the parts on the map in Program.cs are put together.</summary>
internal static class Parts
{
    private static readonly TimeSpan ServerPatience = TimeSpan.FromSeconds(60);

    public static void AddOperatorDefaults(this WebApplicationBuilder builder, OperatorOptions options)
    {
        builder.WebHost.UseSetting(WebHostDefaults.HttpPortsKey, "").UseUrls(options.Urls).ConfigureKestrel(k => k.AddServerHeader = false);
        builder.Logging.SetMinimumLevel(LogLevel.Information)
            .AddFilter("Microsoft", LogLevel.Warning).AddFilter("Microsoft.Extensions.Hosting", LogLevel.Critical)
            .AddSimpleConsole(c => (c.SingleLine, c.TimestampFormat, c.UseUtcTimestamp) = (true, "yyyy-MM-ddTHH:mm:ssZ ", true));
        builder.Services.Configure<ConsoleLoggerOptions>(c => c.LogToStandardErrorThreshold = LogLevel.Trace);
        builder.Services.Configure<HostOptions>(h => h.ShutdownTimeout = TimeSpan.FromSeconds(20));
    }

    public static void AddReconciling(this IServiceCollection services, OperatorOptions options, ApiServer api, bool hasDisruptionBudgets)
    {
        api.Wrote = (verb, path) =>
        {
            if (!path.Contains("/leases", StringComparison.Ordinal)) OperatorMetrics.Writes.WithLabels(verb).Inc();
        };
        services.AddSingleton(options).AddSingleton(api).AddSingleton(TimeProvider.System).AddSingleton<WorkQueue>();
        services.AddSingleton(s => new Watches(
            api, options, s.GetRequiredService<WorkQueue>(), hasDisruptionBudgets, TimeProvider.System, s.GetRequiredService<ILoggerFactory>()));
        services.AddSingleton(s => new LeaseLoop(
            api, new LeaseOptions(options.LeaseNamespace ?? api.Namespace, options.LeaseName, options.Identity), TimeProvider.System,
            s.GetRequiredService<ILogger<LeaseLoop>>()));
        services.AddSingleton(_ => PrometheusClient.Create(TimeProvider.System));
        services.AddSingleton<ChildWriter>().AddSingleton<EventWriter>().AddSingleton<MixtureReconciler>();
        services.AddSingleton<ReconcileLoop>().AddHostedService(s => s.GetRequiredService<ReconcileLoop>());
    }

    public static void MapHealth(this WebApplication app)
    {
        app.MapGet("/livez", () => Results.Text("alive"));
        app.MapGet("/readyz", (ReconcileLoop loop) => loop.Synced ? Results.Text("ready") : Results.Text("the watches are not filled yet", statusCode: 503));
        app.MapMetrics();
    }

    /// <summary>The API server, once it answers and its CRD knows every field (complaint 25); otherwise what is wrong.</summary>
    public static async Task<(ApiServer? Api, bool HasDisruptionBudgets, string? Problem)> ConnectAsync(OperatorOptions options, CancellationToken cancel)
    {
        ApiServer api;
        try
        {
            api = ApiServer.Connect(options.Kubeconfig);
        }
        catch (Exception e) when (e is KubeConfigException or IOException)
        {
            return (null, false, $"There is no API server to talk to: {e.Message} Name a kubeconfig with --kubeconfig.");
        }
        for (var waited = TimeSpan.Zero; ; waited += TimeSpan.FromSeconds(2))
        {
            try
            {
                return await CheckSchemaAsync(api, cancel) is { } problem
                    ? (null, false, problem) : (api, await api.HasAsync("policy/v1", "poddisruptionbudgets", cancel), null);
            }
            catch (ApiServerException e) when (e.Status == 0 && waited < ServerPatience)
            {
                await Console.Error.WriteLineAsync($"Waiting for the API server: {e.Message}");
                await Task.Delay(TimeSpan.FromSeconds(2), cancel);
            }
            catch (ApiServerException e)
            {
                return (null, false, e.Message);
            }
        }
    }

    private static async Task<string?> CheckSchemaAsync(ApiServer api, CancellationToken cancel)
    {
        const string Remedy = "apply the one that \"modm-operator crd\" prints, or upgrade the chart";
        var crd = await api.GetAsync<JsonElement?>($"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{CrdManifest.Name}", cancel);
        if (crd is not { } installed) return $"The CustomResourceDefinition {CrdManifest.Name} is not installed; {Remedy}.";
        var missing = CrdManifest.Fields(Schema(JsonSerializer.SerializeToElement(CrdManifest.Build(cel: false))))
            .Except(CrdManifest.Fields(Schema(installed))).ToList();
        return missing.Count == 0 ? null
            : $"The installed {CrdManifest.Name} does not know {string.Join(", ", missing)}: the API server would drop them; {Remedy}.";

        static JsonElement Schema(JsonElement crd) => crd.GetProperty("spec").GetProperty("versions").EnumerateArray()
            .First(v => v.GetProperty("name").GetString() == "v1alpha1").GetProperty("schema").GetProperty("openAPIV3Schema");
    }
}

using System.Net.Sockets;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.Logging.Console;
using Microsoft.OpenApi;
using MoDM.Api;
using MoDM.Gateway.Cache;
using MoDM.Gateway.Fleet;
using MoDM.Gateway.Forwarding;
using MoDM.Gateway.Images;
using MoDM.Gateway.Quality;
using MoDM.Gateway.Scheduling;
using MoDM.Gateway.Stories;
using MoDM.Http;
using MoDM.Mixture;
using MoDM.Onnx;
using Yarp.ReverseProxy.Forwarder;

namespace MoDM.Gateway;

/// <summary>How the parts on the map in Program.cs are put together.</summary>
internal static class Parts
{
    private const int RefusedConfiguration = 2;

    /// <summary>The gateway starts without them after that.</summary>
    public static readonly TimeSpan StoresMayTake = TimeSpan.FromSeconds(5);

    public static void AddGatewayDefaults(this WebApplicationBuilder builder, GatewayOptions options)
    {
        builder.WebHost.UseUrls(options.Urls);
        builder.WebHost.ConfigureKestrel(k => (k.AddServerHeader, k.Limits.MaxRequestBodySize) = (false, ImageBody.MaxForm));
        builder.Logging.SetMinimumLevel(LogLevel.Information)
            .AddFilter("Microsoft", LogLevel.Warning).AddFilter("Yarp", LogLevel.Warning)
            .AddFilter("Microsoft.Extensions.Hosting", LogLevel.Critical) // A failed start is told by ServeAsync, in one line.
            .AddSimpleConsole(c => (c.SingleLine, c.TimestampFormat) = (true, "HH:mm:ss "));
        builder.Services.Configure<ConsoleLoggerOptions>(c => c.LogToStandardErrorThreshold = LogLevel.Trace);
        // A cluster gives the pod longer; MixtureWatch follows what changes.
        builder.Services.Configure<HostOptions>(h => h.ShutdownTimeout = CurrentMixture.StopsWithin(options.Mixture));
        builder.Services.AddOpenApi(o => o.AddDocumentTransformer((document, _, _) =>
        {
            document.Info = new()
            {
                Title = "MoDM gateway",
                Version = "v1",
                Description = options.Mixture.Spec.Modality == Modality.Image
                    ? "The OpenAI Images API, served by a mixture of diffusion models."
                    : "The OpenAI Completions APIs, and endings of stories, served by an external model and one of its own.",
            };
            if (options.Keys is not null)
            {
                document.AddComponent("key", new OpenApiSecurityScheme
                {
                    Type = SecuritySchemeType.Http,
                    Scheme = "bearer",
                    Description = "An API key; the picture behind GET /v1/images/{id} needs none.",
                });
                document.Security = [new() { [new OpenApiSecuritySchemeReference("key", document)] = [] }];
            }
            return Task.CompletedTask;
        }));
        builder.Services.ConfigureHttpJsonOptions(o =>
        {
            // For the OpenAPI document: the names on the wire.
            o.SerializerOptions.PropertyNamingPolicy = System.Text.Json.JsonNamingPolicy.SnakeCaseLower;
            o.SerializerOptions.TypeInfoResolverChain.Insert(0, ApiJson.Default);
        });
    }

    public static void AddImages(this IServiceCollection services, GatewayOptions options)
    {
        services.AddSingleton<ImageFlow>();
        if (options.Stories is not null || options.StoriesDocument is not null)
            services.AddSingleton<StoriesBehind>().AddHostedService(s => s.GetRequiredService<StoriesBehind>());
        services.AddSingleton(_ => ClipEmbedder.Load(options.Mixture.Spec.Cache.EmbedderPath, 1));
        services.AddSingleton(s => OpenCache(
            options, CacheOf(s), s.GetRequiredService<ClipEmbedder>(), s.GetRequiredService<TimeProvider>(), s.GetRequiredService<ILogger<IImageCache>>()));
        services.AddSingleton<CacheWriter>().AddHostedService(s => s.GetRequiredService<CacheWriter>());
        services.AddSingleton<QualityFloor>().AddSingleton<SpareDrawing>().AddSingleton<Ledger>();
        services.AddSingleton(_ => new AuditList(new Random(RandomNumberGenerator.GetInt32(int.MaxValue))));
        services.AddHostedService<QualityAudit>();
    }

    public static void AddStories(this IServiceCollection services, GatewayOptions options)
    {
        services.AddSingleton(s => new ExternalGate(
            s.GetRequiredService<CurrentMixture>(), options.KeyFile, options.CacheFolder, s.GetRequiredService<TimeProvider>(), s.GetRequiredService<ILogger<ExternalGate>>()));
        services.AddSingleton(s => new StoryFlow(
            s.GetRequiredService<ExternalGate>(), s.GetRequiredService<RequestQueue>(), s.GetRequiredService<WorkerRegistry>(),
            new CompletionsClient(s.GetRequiredService<HttpMessageInvoker>()), new CompletionsClient(WorkerForwarder.Connections(outward: true)),
            s.GetRequiredService<TimeProvider>()));
        services.AddSingleton(s => new Illustrator(s.GetRequiredService<CurrentMixture>(), options.Illustrator, s.GetRequiredService<HttpMessageInvoker>()));
    }

    public static void AddScheduling(this IServiceCollection services, GatewayOptions options)
    {
        services.AddSingleton(s => new LoadMeter(options.Mixture.Spec, s.GetRequiredService<TimeProvider>()));
        services.AddSingleton(s => new RequestQueue(
            options.QueueLimit, SloOf(s), s.GetRequiredService<LoadMeter>(), s.GetRequiredService<TimeProvider>()));
    }

    public static void AddFleet(this IServiceCollection services, GatewayOptions options)
    {
        services.AddSingleton<WorkerRegistry>().AddSingleton<LivePlan>();
        switch (options.Cluster)
        {
            case null:
                services.AddHostedService<LocalFleet>();
                break;
            case { } cluster:
                services.AddSingleton(cluster).AddSingleton<PodFleet>().AddHostedService(s => s.GetRequiredService<PodFleet>());
                services.AddHostedService<MixtureWatch>();
                break;
        }
        services.AddSingleton<Readiness>().AddHostedService(s => s.GetRequiredService<Readiness>());
    }

    public static void AddForwarding(this IServiceCollection services)
    {
        services.AddHttpForwarder();
        services.AddSingleton(_ => WorkerForwarder.Connections());
        services.AddSingleton(s => new WorkerForwarder(
            s.GetRequiredService<IHttpForwarder>(), s.GetRequiredService<HttpMessageInvoker>(),
            () => ImageFlow.SilenceFor(s.GetRequiredService<CurrentMixture>().Now)));
    }

    /// <summary>The cache that the document describes: in a folder of this gateway, or shared.</summary>
    public static IImageCache OpenCache(GatewayOptions options, Func<CacheSpec> spec, ClipEmbedder embedder, TimeProvider time, ILogger log) =>
        options.Mixture.Spec.Cache.Shared is { } shared
            ? SharedStores.Open(options.Mixture.FullName, shared, options.QdrantKeyFile, embedder.Dimension, spec, time, log)
            : ImageCache.Open(options.CacheFolder, spec, time, log);

    private static Func<SloSpec> SloOf(IServiceProvider services)
    {
        var mixture = services.GetRequiredService<CurrentMixture>();
        return () => mixture.Now.Spec.Slo;
    }

    private static Func<CacheSpec> CacheOf(IServiceProvider services)
    {
        var mixture = services.GetRequiredService<CurrentMixture>();
        return () => mixture.Now.Spec.Cache;
    }

    /// <summary>The pages; browsers may neither guess types nor frame them.</summary>
    public static void UsePages(this WebApplication app, bool images)
    {
        if (!images)
        {
            app.Use((context, next) =>
            {
                if (context.Request.Path != "/") return next(context);
                context.Response.Redirect("stories/");
                return Task.CompletedTask;
            });
        }
        app.UseDefaultFiles();
        app.UseStaticFiles(new StaticFileOptions
        {
            OnPrepareResponse = c =>
            {
                c.Context.Response.Headers.XContentTypeOptions = "nosniff";
                c.Context.Response.Headers.XFrameOptions = "DENY";
            },
        });
    }

    /// <returns>The exit code: 2 for a configuration that cannot work, with the reason on stderr.</returns>
    public static async Task<int> ServeAsync(this WebApplication app, GatewayOptions options)
    {
        if (options.Cluster is null && options.Workers.Count == 0 && LocalFleet.WorkerAssembly(AppContext.BaseDirectory) is null)
            return await RefuseAsync($"There is no worker program beside {AppContext.BaseDirectory}; build it, or name running workers with --worker.");
        try
        {
            if (options.Mixture.Spec.Modality == Modality.Image) await OpenImagesAsync(app.Services);
            await app.StartAsync();
        }
        catch (Exception e) when (e is ModelException or StoreMismatchException)
        {
            return await RefuseAsync(e.Message);
        }
        catch (Exception e) when (e is IOException { InnerException: AddressInUseException or SocketException } or SocketException)
        {
            return await RefuseAsync($"{e.Message} Name another address with --urls.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return await RefuseAsync($"The cache folder {options.CacheFolder} cannot be used; another gateway may have it. "
                + $"Name one with --cache. ({e.Message})");
        }
        if (options.ExitWithStdin) ParentWatch.Start(app.Lifetime.StopApplication);
        var address = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
        Console.WriteLine($"modm-gateway listening on {address}");
        await app.WaitForShutdownAsync();
        var failed = app.Services.GetServices<IHostedService>().OfType<BackgroundService>().Any(s => s.ExecuteTask is { IsFaulted: true });
        await app.DisposeAsync();
        return failed ? 1 : Environment.ExitCode;
    }

    /// <summary>Rather than by the first request: what is wrong with them stops the start, and nobody waits for them.</summary>
    private static async Task OpenImagesAsync(IServiceProvider services)
    {
        var embedder = services.GetRequiredService<ClipEmbedder>();
        embedder.EmbedImage(new RgbImage(8, 8, new byte[8 * 8 * 3]));
        embedder.EmbedText("warm-up");
        if (services.GetRequiredService<IImageCache>() is SharedCache shared) await shared.StartAsync(StoresMayTake);
    }

    private static async Task<int> RefuseAsync(string reason)
    {
        await Console.Error.WriteLineAsync(reason);
        return RefusedConfiguration;
    }
}

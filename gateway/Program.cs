using System.Reflection;
using MoDM.Gateway;
using MoDM.Gateway.Callers;
using MoDM.Gateway.Images;
using MoDM.Gateway.Importing;
using MoDM.Gateway.Stories;
using MoDM.Http;
using MoDM.Mixture;

if (args is ["keys", .. var keys]) return KeysCommand.Run(keys, Console.Out, Console.Error);

// 1. What to serve: the mixture's document, from a file or the API server, and a few options. All mistakes at once, exit code 2.
var demo = typeof(GatewayOptions).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
    .First(a => a.Key == "DemoMixture").Value!;
if (args is ["import", .. var what]) return await Import.RunAsync(what, demo);
var (options, problems, code) = await GatewayOptions.ReadAsync(args, demo, Environment.ProcessorCount);
if (options is null)
{
    foreach (var problem in problems)
        await Console.Error.WriteLineAsync(problem);
    return code;
}

// 2. The parts. Everything is one sealed class, built once.
var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
builder.AddGatewayDefaults(options);
builder.Services.AddSingleton(options).AddSingleton(new CurrentMixture(options.Mixture)).AddSingleton(TimeProvider.System);
builder.Services.AddCallers(options);
builder.Services.AddScheduling(options);
builder.Services.AddFleet(options);
builder.Services.AddForwarding();
var images = options.Mixture.Spec.Modality == Modality.Image;
if (images)
    builder.Services.AddImages(options);
else
    builder.Services.AddStories(options);

// 3. The routes. Errors first, so that all of them leave in OpenAI's shape; then pages, which need no key.
var app = builder.Build();
app.UseApiErrors("see /openapi/v1.json for what there is");
app.UsePages(images);
app.UseCallers(options);
if (images)
{
    app.MapImages();
    app.MapStoriesBehind(options);
}
else
{
    app.MapStories();
}
app.MapStatus();
app.MapOpenApi();

// 4. Run until told to stop; what was accepted for the cache is written before the process ends.
return await app.ServeAsync(options);

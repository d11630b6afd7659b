import static org.codelibs.opensearch.runner.OpenSearchRunner.newConfigs;

import java.util.concurrent.CountDownLatch;
import org.codelibs.opensearch.runner.OpenSearchRunner;

/** One OpenSearch node on 127.0.0.1 until SIGTERM. Arguments: data folder, HTTP port, transport port. */
public class Node {
    public static void main(String[] arguments) throws Exception {
        OpenSearchRunner runner = new OpenSearchRunner();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                runner.close();
            } catch (Exception error) {
                error.printStackTrace();
            }
        }));
        runner.onBuild((number, settings) -> {
            settings.put("network.host", "127.0.0.1");
            settings.put("http.port", arguments[1]);
            settings.put("transport.port", arguments[2]);
            settings.put("discovery.type", "single-node");
            // A development machine's disk is often fuller than a cluster's may be.
            settings.put("cluster.routing.allocation.disk.threshold_enabled", "false");
        });
        runner.build(newConfigs().clusterName("flusso-dev").numOfNode(1).basePath(arguments[0]));
        new CountDownLatch(1).await();
    }
}
